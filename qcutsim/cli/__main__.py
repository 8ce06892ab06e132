"""``python -m qcutsim.cli``."""

from __future__ import annotations

import sys

from qcutsim.cli import main

sys.exit(main())
