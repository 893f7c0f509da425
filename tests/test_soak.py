"""The soak's command works, and sees what does not stay flat."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.soak import Sample, faults

ROOT = Path(__file__).parent.parent


def samples(rss_mib=lambda _: 300.0, descriptors=lambda _: 80, tasks=lambda _: 9) -> list[Sample]:
    return [
        Sample(n * 10_000, n * 60.0, rss_mib(n), descriptors(n), 12, tasks(n), 1000 + n) for n in range(11)
    ]


def test_what_grows_before_half_time_and_wavers_after_it_is_flat():
    wavering = samples(rss_mib=lambda n: min(n, 5) * 20 + 200 + n % 2, descriptors=lambda n: 80 + n % 3)
    assert faults(wavering, Counter(whole=100_000)) == []


@pytest.mark.parametrize(
    "growing",
    [
        samples(rss_mib=lambda n: 300 + 1.5 * n),
        samples(descriptors=lambda n: 80 + 5 * n),
        samples(tasks=lambda n: 9 + 10 * n),
    ],
)
def test_what_grows_in_the_second_half_is_a_fault(growing: list[Sample]):
    assert len(faults(growing, Counter(whole=100_000))) == 1


def test_an_answer_that_was_not_expected_is_a_fault():
    assert len(faults(samples(), Counter({"whole": 99_999, "unexpected 500 to whole": 1}))) == 1


def test_a_small_soak_runs_and_every_answer_is_as_expected():
    options = ["--requests", "120", "--users", "30", "--samples", "2"]
    command = [sys.executable, "-m", "benchmarks.soak", *options]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "unexpected" not in ran.stdout
    assert "bad token" in ran.stdout
