"""``python -m bids_deeptaskgen`` is the BIDS App."""

import sys

from bids_deeptaskgen.cli.app import main

sys.exit(main())
