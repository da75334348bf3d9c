"""Imports gRPC, with one of its settings changed. To be imported before anything imports grpc.

From some version on, gRPC has a thread of its own (its "event engine") wait for answers, which then
wakes the caller: 100 to 200 of the 250 to 450 us that an empty call takes on two cores. Without it
the caller waits itself. gRPC reads this setting when it is imported, and only from the environment,
so the variable is set for that moment. It has no effect in a process that has imported grpc before.
Who sets GRPC_EXPERIMENTS is left alone.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys

_VARIABLE = "GRPC_EXPERIMENTS"
_SETTING = "-event_engine_client"

# A version that does not know the setting would say so on standard error. These were tried.
_FIRST_VERSION, _LAST_VERSION = (1, 60), (1, 85)


def _knows_setting() -> bool:
    try:
        numbers = importlib.metadata.version("grpcio").split(".")
        return _FIRST_VERSION <= (int(numbers[0]), int(numbers[1])) <= _LAST_VERSION
    except (importlib.metadata.PackageNotFoundError, ValueError, IndexError):
        return False


def _import_grpc() -> None:
    if "grpc" in sys.modules or _VARIABLE in os.environ or not _knows_setting():
        return
    os.environ[_VARIABLE] = _SETTING
    try:
        __import__("grpc")
    finally:
        os.environ.pop(_VARIABLE, None)


_import_grpc()
