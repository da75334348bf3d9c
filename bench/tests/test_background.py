"""Goal: bench/background compares like with like: the same CPU time beside the same searches.

Method: figures by hand; a spinner of our own, watched from outside.
"""

import os
import time

import pytest

from lib.procfs import BackgroundCpu, background_cpu_s
from lib.spinner import Spinner, rest_s
from lib.stats import percentile
from measure.background import COMPACTION, NOTHING, SPINNER, goals_of, ratios, search_run


def run_of(beside, scale):
    return search_run(beside, [scale * number / 1e3 for number in range(1, 101)], 0.25)


def test_search_run__has_its_percentiles():
    run = run_of(NOTHING, 1)
    shown = [run[name] for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms", "cpu_percent")]
    assert shown == pytest.approx([50, 95, 99, 100, 25])
    assert run["p95_ms"] == pytest.approx(percentile(range(1, 101), 95))


def test_ratios__are_compaction_to_spinner_run_by_run():
    runs = []
    for scale in (1, 2):
        runs += [run_of(NOTHING, 9), run_of(COMPACTION, 3 * scale), run_of(SPINNER, 2)]
    assert [run["p95_ms"] for run in ratios(runs)] == pytest.approx([1.5, 3.0])


def test_goals__are_about_medians():
    of_control = [{"p50_ms": 1, "p95_ms": p95, "p99_ms": 2.1} for p95 in (1.0, 1.4, 9.0)]
    ingests = [{"kept": kept} for kept in (0.1, 0.71, 0.9)]
    assert [goal.is_met for goal in goals_of(of_control, ingests)] == [True, False, True]


def test_background_cpu__is_that_of_the_lowest_priority_alone():
    if os.nice(0) == 19:
        pytest.skip("all threads of this process have the lowest priority")
    with BackgroundCpu(os.getpid()) as cpu:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
    assert background_cpu_s(os.getpid()) == {} and cpu.seconds == 0


def test_spinner__burns_no_more_than_its_share_at_the_lowest_priority():
    with Spinner(0.2) as spinner:
        [process] = spinner._processes
        time.sleep(1.5)
        policy = os.sched_getscheduler(process.pid)
        assert list(background_cpu_s(process.pid)) == [process.pid]
    assert policy == os.SCHED_BATCH
    assert 0 < spinner.share < 0.25  # less where others leave it nothing
    assert process.returncode is not None


def test_spinner__rests_until_it_is_back_at_its_share():
    assert rest_s(0.002, 0.002, 0.25) == pytest.approx(0.006)
    assert rest_s(0.25, 1.0, 0.25) == rest_s(0.1, 1.0, 0.25) == 0
    assert rest_s(10.0, 10.0, 0.25) == 0.1


def test_spinner__is_several_for_more_than_a_core():
    assert [Spinner(share)._count for share in (0.1, 1.0, 1.2, 2.0)] == [1, 1, 2, 2]
