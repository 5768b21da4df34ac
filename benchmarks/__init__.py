"""Benchmarks for asv. Figures are worth comparing only within one run on one machine."""

import sys
from pathlib import Path

# asv imports this package from the checkout; the drivers of real processes live beside the features, and what some
# benchmarks measure is what ``limits`` does.
_ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(_ROOT / "features"), str(_ROOT)]
