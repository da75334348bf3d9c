"""Tests of what bench/ measures with. They need no server:  pytest bench/tests"""

import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(BENCH), str(BENCH / "data")]
