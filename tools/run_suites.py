#!/usr/bin/env python3
"""run_suites: runs the test suites one after the other and counts what passed.

    tools/run_suites.py                 all of them
    tools/run_suites.py NAME...         some; --list shows the names

Prints each suite's output to build/test-logs/NAME.log and a line with its result and seconds; the end of a
failing suite's log is shown. The last line is `N passed, N failed`; the status is 0 only if nothing failed
and something passed.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "build/test-logs"
PYTHON = ROOT / "build/test-venv/bin/python"
SHOWN_LINES = 60
CORES = str(os.cpu_count() or 1)


@dataclass
class Suite:
    """Commands that run in the project's folder. `counter` says how to read results from the output."""
    name: str
    commands: list
    counter: str                    # ctest, pytest, or one: the commands as a whole are one test
    environment: dict = field(default_factory=dict)


def build(preset, *targets):
    chosen = ["--target", *targets] if targets else []
    return [["cmake", "--preset", preset], ["cmake", "--build", f"build/{preset}", "-j", CORES, *chosen]]


def ctest(preset, *arguments):
    return ["ctest", "--test-dir", f"build/{preset}", "--output-on-failure", "-j", CORES, *arguments]


def pytest(*arguments):
    return [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]


SUITES = [
    Suite("style", [["python3", "tools/check.py"]], "one"),
    Suite("format", [["tools/check_format"]], "one"),
    Suite("build", build("dev"), "one"),
    Suite("unit", [ctest("dev")], "ctest"),
    Suite("sdk", [pytest("sdk/python/tests")], "pytest"),
    Suite("bench", [pytest("bench/tests")], "pytest"),
    Suite("docs", [pytest("tests/docs")], "pytest"),
    Suite("interop", [pytest("tests/interop")], "pytest"),
    Suite("server", [pytest("tests/server")], "pytest"),
    Suite("build-copies", build("copies", "copies_server", "copies_mutant"), "one"),
    Suite("copies", [pytest("tests/copies")], "pytest", {"PX_BUILD": "build/copies"}),
    Suite("cli", [pytest("tests/cli")], "pytest"),
    Suite("crash", [pytest("tests/crash")], "pytest"),
    Suite("install", [pytest("tests/install")], "pytest"),
    Suite("build-asan", build("asan"), "one"),
    Suite("asan", [ctest("asan")], "ctest"),
    Suite("server-asan", [pytest("tests/server")], "pytest", {"PX_BUILD": "build/asan"}),
    Suite("build-tsan", build("tsan"), "one"),
    Suite("tsan", [ctest("tsan", "-L", "unit|model|fault")], "ctest"),
    Suite("server-tsan", [pytest("tests/server")], "pytest", {"PX_BUILD": "build/tsan"}),
]


def count(counter, output, succeeded):
    """(passed, failed) as the tools say; a suite that fails without a failed test counts as one."""
    passed = failed = 0
    if counter == "ctest":
        if found := re.search(r"(\d+)% tests passed, (\d+) tests failed out of (\d+)", output):
            failed = int(found[2])
            passed = int(found[3]) - failed
    elif counter == "pytest":
        passed = sum(map(int, re.findall(r"(\d+) passed", output[-400:])))
        failed = sum(map(int, re.findall(r"(\d+) (?:failed|error)", output[-400:])))
    else:
        passed = int(succeeded)
    if not succeeded and failed == 0:
        failed = 1
    if succeeded and passed == 0:
        failed = 1                  # a suite in which nothing runs tests nothing
    return passed, failed


def run(suite):
    """Runs a suite; returns (passed, failed)."""
    began = time.monotonic()
    environment = {**os.environ, "PX_BUILD": "build/dev", **suite.environment}
    log = LOGS / f"{suite.name}.log"
    succeeded = True
    with log.open("w") as file:
        for command in suite.commands:
            file.write(f"$ {' '.join(command)}\n")
            file.flush()
            if subprocess.run(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT,
                              env=environment, stdin=subprocess.DEVNULL).returncode != 0:
                succeeded = False
                break
    output = log.read_text(errors="replace")
    passed, failed = count(suite.counter, output, succeeded)
    seconds = time.monotonic() - began
    print(f"{suite.name:<12} {seconds:7.1f} s  {passed:5} passed, {failed} failed", flush=True)
    if failed:
        print("\n".join(f"    {line}" for line in output.splitlines()[-SHOWN_LINES:]), flush=True)
        print(f"    (all of it: {log.relative_to(ROOT)})", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="show the names and end")
    options = parser.parse_args()
    known = {suite.name: suite for suite in SUITES}
    if options.list:
        print("\n".join(known))
        return 0
    if unknown := set(options.names) - set(known):
        parser.error(f"no suite '{unknown.pop()}'; there are {', '.join(known)}")
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    began = time.monotonic()
    results = [run(known[name]) for name in options.names or known]
    passed, failed = map(sum, zip(*results))
    print(f"all          {time.monotonic() - began:7.1f} s")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
