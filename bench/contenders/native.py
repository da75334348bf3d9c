"""Our extension module, out of the CMake build that is measured."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
MODULE = "proximadb_native"


def path() -> Path:
    """The file: of the build PX_BUILD, otherwise of build/release."""
    build = Path(os.environ.get("PX_BUILD", ROOT / "build/release"))
    return build / "sdk/python/native" / f"{MODULE}.abi3.so"


@cache
def load() -> ModuleType:
    """The module. ImportError if it is not built."""
    spec = importlib.util.spec_from_file_location(MODULE, path())
    if spec is None or spec.loader is None or not path().exists():
        raise ImportError(f"{path()} is not built: cmake --build ... --target python_native")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def version() -> str:
    """Of the code: a digest of the file."""
    return hashlib.sha256(path().read_bytes()).hexdigest()[:12]
