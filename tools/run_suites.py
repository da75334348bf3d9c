#!/usr/bin/env python3
"""run_suites: runs the test suites, two at a time, and counts what passed.

    tools/run_suites.py                 all of them
    tools/run_suites.py NAME...         some, in that order; --list shows the names
    tools/run_suites.py --jobs 1        one after the other

Two suites at a time, because those of Python wait for servers half of the time; but one alone where all processors
are busy anyway, or tests look at how long something takes. A suite begins when those that it needs have ended, if they
are to run at all.

Writes each suite's output to build/test-logs/NAME.log and prints a line with its result, its seconds and those
of processors; the end of a failing suite's log is shown. The last line is `N passed, N failed`; the status is 0 only if
nothing failed and something passed.

A suite fails if a test of it fails, and also if it runs no test, if it skips a test (a test that was not
run has not passed), if it does not end in time, or if its tool fails without naming a test.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "build/test-logs"
PYTHON = ROOT / "build/test-venv/bin/python"
SHOWN_LINES = 60
CORES = str(os.cpu_count() or 1)


TIMEOUT_S = 1200

# A sanitizer's report ends the process, with a status of its own; tests/server looks for that.
SANITIZERS = {
    # Not detect_stack_use_after_return: GCC's fake frames are not aligned for the variables of AVX-512.
    "ASAN_OPTIONS": "halt_on_error=1:exitcode=99:detect_leaks=1:strict_string_checks=1:check_initialization_order=1",
    "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:exitcode=99:second_deadlock_stack=1:history_size=4",
}


@dataclass
class Suite:
    """Commands that run in the project's folder. `counter` says how to read results from the output."""
    name: str
    commands: list
    counter: str                    # ctest, pytest, or one: the commands as a whole are one test
    environment: dict = field(default_factory=dict)
    needs: tuple = ("build",)       # suites that must have ended
    is_alone: bool = False          # no other runs beside it


def build(preset, *targets):
    """All of a preset, or only the targets that its suites run."""
    chosen = ["--target", *targets] if targets else []
    return [["cmake", "--preset", preset], ["cmake", "--build", f"build/{preset}", "-j", CORES, *chosen]]


def ctest(preset, labels):
    return ["ctest", "--test-dir", f"build/{preset}", "--output-on-failure", "--no-tests=error", "-j", CORES,
            "-L", f"^({labels})$"]


def pytest(*arguments):
    return [str(PYTHON), "-m", "pytest", "-rs", "-p", "no:cacheprovider", *arguments]


# Long ones first, and those that need all processors beside those that wait. Of one build folder's ctest one
# runs at a time, since they share its log.
SUITES = [
    Suite("build", build("dev"), "one", needs=()),
    Suite("style", [["python3", "tools/check.py"]], "one", needs=()),
    Suite("format", [["tools/check_format"]], "one", needs=()),
    Suite("unit", [ctest("dev", "unit")], "ctest"),
    Suite("build-asan", build("asan", "tests_unit", "tests_simd", "tests_model", "tests_fault", "tests_interop",
                              "tests_fuzz", "server_programs"), "one"),
    Suite("crash", [pytest("tests/crash")], "pytest", is_alone=True),
    Suite("server", [pytest("tests/server")], "pytest", is_alone=True),
    Suite("engine", [ctest("dev", "simd|model|fault|interop")], "ctest", needs=("build", "unit")),
    Suite("interop", [pytest("tests/interop")], "pytest"),
    Suite("build-tsan", build("tsan", "tests_threads", "server_programs"), "one"),
    Suite("churn", [pytest("tests/churn")], "pytest", is_alone=True),
    Suite("asan", [ctest("asan", "unit|simd|model|fault|interop|fuzz")], "ctest", needs=("build-asan",),
          is_alone=True),
    Suite("damage", [pytest("tests/damage")], "pytest", is_alone=True),
    Suite("tsan", [ctest("tsan", "threads")], "ctest", needs=("build-tsan",),
          is_alone=True),
    Suite("sdk", [pytest("sdk/python/tests")], "pytest"),
    Suite("server-asan", [pytest("tests/server")], "pytest", {"PX_BUILD": "build/asan"}, needs=("build-asan",),
          is_alone=True),
    Suite("server-tsan", [pytest("tests/server")], "pytest", {"PX_BUILD": "build/tsan"}, needs=("build-tsan",),
          is_alone=True),
    Suite("fuzz", [ctest("dev", "fuzz")], "ctest", needs=("build", "unit", "engine")),
    Suite("contract", [pytest("sdk/python/tests/test_contract.py")], "pytest",
          {"PROXIMADB_TEST_PROGRAM": "build/dev/proximadb"}),
    Suite("build-copies", build("copies", "copies_server", "copies_mutant"), "one"),
    Suite("copies", [pytest("tests/copies")], "pytest", {"PX_BUILD": "build/copies"}, needs=("build-copies",)),
    Suite("cli", [pytest("tests/cli")], "pytest"),
    Suite("bench", [pytest("bench/tests")], "pytest"),
    Suite("docs", [pytest("tests/docs")], "pytest"),
    Suite("install", [pytest("tests/install")], "pytest"),
]


def count_ctest(output):
    """(passed, failed) by ctest's last lines; failed are also those that it did not run, of which it counts the
    disabled ones nowhere and the skipped ones as passed."""
    found = re.search(r"% tests passed, (\d+) tests failed out of (\d+)", output)
    failed, total = (int(found[1]), int(found[2])) if found else (0, 0)
    left_out = re.findall(r"^\s+\d+ - \S+ \((Skipped|Disabled)\)", output, re.MULTILINE)
    skipped = left_out.count("Skipped")
    return total - failed - skipped, failed + len(left_out)


def count_pytest(output):
    """(passed, failed) by the last line, such as "1 failed, 113 passed, 2 skipped in 40.19s"."""
    summaries = re.findall(r"^=*\s*(\d+ \w+(?:, \d+ \w+)*) in [\d.]+s", output, re.MULTILINE)
    if not summaries:
        return 0, 0
    numbers = {word.rstrip("s"): int(number) for number, word in re.findall(r"(\d+) (\w+)", summaries[-1])}
    return numbers.get("passed", 0), sum(numbers.get(word, 0) for word in ("failed", "error", "skipped", "xpassed"))


def count(counter, output, succeeded):
    """(passed, failed) as the tools say; a suite that fails without a failed test counts as one."""
    if counter == "one":
        passed, failed = int(succeeded), 0
    else:
        passed, failed = (count_ctest if counter == "ctest" else count_pytest)(output)
    if failed == 0 and (not succeeded or passed == 0):
        failed = 1
    return passed, failed


def run_command(command, log, environment):
    """Runs a command with its output in the log: whether it succeeded, and its processor's seconds, with those of what it
    waited for. What it started ends with it."""
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    timer = threading.Timer(TIMEOUT_S, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    timer.cancel()
    if process.returncode == -signal.SIGKILL:
        log.write(f"\nrun_suites: killed, as what is not done after {TIMEOUT_S} s is\n")
    return process.returncode == 0, used.ru_utime + used.ru_stime


def run(suite):
    """Runs a suite; returns (passed, failed)."""
    began, succeeded, processor_s = time.monotonic(), True, 0.0
    environment = {**os.environ, **SANITIZERS, "PX_BUILD": "build/dev", **suite.environment}
    path = LOGS / f"{suite.name}.log"
    with path.open("w") as log:
        for command in suite.commands:
            if succeeded:
                succeeded, used_s = run_command(command, log, environment)
                processor_s += used_s
    output = path.read_text(errors="replace")
    passed, failed = count(suite.counter, output, succeeded)
    seconds = time.monotonic() - began
    lines = [f"{suite.name:<12} {seconds:7.1f} s  {passed:5} passed, {failed} failed  ({processor_s:.1f} s of processors)"]
    if failed:
        lines += [f"    {line}" for line in output.splitlines()[-SHOWN_LINES:]]
        lines.append(f"    (all of it: {path.relative_to(ROOT)})")
    print("\n".join(lines), flush=True)
    return passed, failed


def choose(waiting, running, jobs):
    """The suites that begin now, beside those that run."""
    unfinished = {suite.name for suite in waiting} | {suite.name for suite in running}
    ready = [suite for suite in waiting if not unfinished & set(suite.needs)]
    shared = [suite for suite in ready if not suite.is_alone]
    if any(suite.is_alone for suite in running):
        return []
    if running or shared:
        return shared[:jobs - len(running)]
    return ready[:1]


def run_all(suites, jobs):
    """Runs suites, so many at a time; returns (passed, failed) of each. They begin in their order, but for those that
    have to wait, and those that run alone are last."""
    waiting, running, results = list(suites), {}, []
    with ThreadPoolExecutor(jobs) as pool:
        while waiting or running:
            for suite in choose(waiting, running.values(), jobs):
                waiting.remove(suite)
                running[pool.submit(run, suite)] = suite
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                results.append(ended.result())
                del running[ended]
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="show the names and end")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="suites at a time; %(default)s")
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
    results = run_all([known[name] for name in options.names or known], max(options.jobs, 1))
    passed, failed = map(sum, zip(*results))
    print(f"all          {time.monotonic() - began:7.1f} s")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
