"""Networks and bundles; the only home of torch."""

import os

# Threads of a torch that waits for each other's share spin, by default, on cores that others may need: on a
# machine with more to do than cores, the thousands of small products of a forward pass took 20 times as long.
# It must be said before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
