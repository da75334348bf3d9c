"""Goal: what docs/TESTING.md says of suites holds: one that skips a test, or of which a label has lost its tests, fails; none
begins before what it needs.
Method: tools/run_suites.py reads what the real ctest says of tests that pass, fail, skip and are missing; the tests that
were built are asked for their properties.
"""
import importlib.util
import json
import os
import re
import subprocess

import pytest
from conftest import ROOT

BUILD = ROOT / os.environ.get("PX_BUILD", "build/dev")
SKIPPED = "[  SKIPPED ] test_module__does_something"


def load(path):
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


run_suites = load(ROOT / "tools/run_suites.py")


def built_tests():
    output = subprocess.run(["ctest", "--show-only=json-v1"], cwd=BUILD, capture_output=True, text=True, check=True).stdout
    return [{each["name"]: each["value"] for each in test["properties"]} for test in json.loads(output)["tests"]]


KINDS = {
    "passes": ("exit 0", ""),
    "fails": ("exit 1", ""),
    "skips-by-status": ("exit 77", "SKIP_RETURN_CODE 77"),
    "skips-in-cmocka": (f"echo '{SKIPPED}'", r'FAIL_REGULAR_EXPRESSION "\\[  SKIPPED \\]"'),
    "disabled": ("exit 0", "DISABLED TRUE"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_suites__count_what_ctest_did_not_run_as_failed(tmp_path, kind):
    lines = []
    for name in ("passes", kind):
        command, properties = KINDS[name]
        test = f"{name}-{len(lines)}"
        lines.append(f'add_test({test} /bin/sh -c "{command}")')
        lines += [f"set_tests_properties({test} PROPERTIES {properties})"] if properties else []
    (tmp_path / "CTestTestfile.cmake").write_text("\n".join(lines))
    ran = subprocess.run(["ctest", "--output-on-failure"], cwd=tmp_path, capture_output=True, text=True)
    expected = (2, 0) if kind == "passes" else (1, 1)
    assert run_suites.count("ctest", ran.stdout, ran.returncode == 0) == expected, ran.stdout


def noting(folder, name, needs, seconds, is_alone=False):
    """A suite that notes when it begins and ends."""
    command = ["/bin/sh", "-c", f"echo begin {name} >> {folder}/notes; sleep {seconds}; echo end {name} >> {folder}/notes"]
    return run_suites.Suite(name, [command], "one", needs=needs, is_alone=is_alone)


def test_suites__nothing_runs_beside_one_that_is_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(run_suites, "LOGS", tmp_path)
    monkeypatch.setattr(run_suites, "ROOT", tmp_path)
    suites = [noting(tmp_path, "alone", (), 0.3, is_alone=True), noting(tmp_path, "first", (), 0.2),
              noting(tmp_path, "second", (), 0.3), noting(tmp_path, "last", ("alone",), 0.1)]
    assert run_suites.run_all(suites, 2) == [(1, 0)] * 4
    notes = (tmp_path / "notes").read_text().splitlines()
    assert notes.index("end alone") == notes.index("begin alone") + 1
    assert notes[-1] == "end last"


def test_suites__begin_behind_what_they_need(tmp_path, monkeypatch):
    monkeypatch.setattr(run_suites, "LOGS", tmp_path)
    suites = [noting(tmp_path, "long", (), 1.0), noting(tmp_path, "needy", ("short", "long"), 0), noting(tmp_path, "short", (), 0),
              noting(tmp_path, "other", ("not asked for",), 0)]
    monkeypatch.setattr(run_suites, "ROOT", tmp_path)
    assert run_suites.run_all(suites, 2) == [(1, 0)] * 4
    notes = (tmp_path / "notes").read_text().splitlines()
    assert notes.index("begin short") < notes.index("end long") < notes.index("begin needy")
    assert notes.index("end other") < notes.index("end long")


def test_suites__that_are_not_done_in_time_fail(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_suites, "LOGS", tmp_path)
    monkeypatch.setattr(run_suites, "ROOT", tmp_path)
    monkeypatch.setattr(run_suites, "TIMEOUT_S", 0.5)
    assert run_suites.run_all([noting(tmp_path, "endless", (), 60)], 1) == [(0, 1)]
    assert "killed" in capsys.readouterr().out


def test_suites__a_skipped_test_of_cmocka_fails_in_every_program():
    tests = built_tests()
    assert len(tests) > 100
    for properties in tests:
        assert any(re.search(pattern, SKIPPED) for pattern in properties["FAIL_REGULAR_EXPRESSION"]), properties


def test_suites__every_label_has_tests():
    labels = {label for properties in built_tests() for label in properties["LABELS"]}
    asked = {label for suite in run_suites.SUITES for command in suite.commands if command[0] == "ctest"
             for label in command[-1].strip("^()$").split("|")}
    assert {"unit", "interop", "threads"} <= asked
    assert asked <= labels
