"""Tests of what bench/ measures with. They need no server:  pytest bench/tests"""

import os
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(BENCH), str(BENCH / "data")]


@pytest.fixture
def repository_build():
    """The build whose extension module is tested: PX_BUILD, otherwise build/dev."""
    return Path(os.environ.get("PX_BUILD", BENCH.parent / "build/dev")).resolve()
