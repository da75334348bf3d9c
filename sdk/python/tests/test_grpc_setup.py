"""How gRPC is imported: its setting is changed, and the environment is as it was before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOOK = """
import os, sys
seen = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "grpc":
            seen.append(os.environ.get("GRPC_EXPERIMENTS"))
sys.meta_path.insert(0, Finder())
{before}
import proximadb
print(seen, os.environ.get("GRPC_EXPERIMENTS"))
"""


def _look(before: str = "", **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "GRPC_EXPERIMENTS"}
    return subprocess.run(
        [sys.executable, "-c", LOOK.format(before=before)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_the_setting_is_there_while_grpc_is_imported() -> None:
    assert _look() == "['-event_engine_client'] None"


def test_who_sets_the_variable_is_left_alone() -> None:
    assert _look(GRPC_EXPERIMENTS="") == "['']"


def test_a_process_that_has_imported_grpc_is_left_alone() -> None:
    assert _look(before="import grpc") == "[None] None"


@pytest.mark.parametrize("version", ["1.59.9", "1.86.0", "2.60.0", "nonsense"])
def test_versions_that_were_not_tried_are_left_alone(version: str) -> None:
    before = f"import importlib.metadata\nimportlib.metadata.version = lambda name: {version!r}"
    assert _look(before=before) == "[None] None"
