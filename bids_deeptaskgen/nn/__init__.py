"""Networks and ridge models: weights and prediction. Only this package and `training` import torch."""

import os

# By default, OpenMP threads spin while they wait for each other. On a machine with more processes than cores,
# the thousands of small matrix products of a forward pass then took 20 times as long. OpenMP reads this
# variable when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
