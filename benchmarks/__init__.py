"""Benchmarks for asv. Figures are worth comparing only within one run on one machine."""

import sys
from pathlib import Path

# asv imports this package from the checkout; the drivers of real processes live beside the features.
sys.path.insert(0, str(Path(__file__).parents[1] / "features"))
