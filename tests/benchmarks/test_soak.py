"""The soak command runs, and reports growth."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.processes import fork_process
from benchmarks.soak import Sample, faults, main


def samples(
    rss_mib=lambda _: 300.0, peak_mib=500.0, descriptors=lambda _: 80, tasks=lambda _: 9
) -> list[Sample]:
    return [
        Sample(n * 10_000, n * 60.0, rss_mib(n), peak_mib, descriptors(n), 12, tasks(n), 1000 + n)
        for n in range(11)
    ]


def test_growth_before_half_time_and_noise_after_it_are_accepted():
    noisy = samples(rss_mib=lambda n: min(n, 5) * 20 + 200 + n % 2, descriptors=lambda n: 80 + n % 3)
    assert faults(noisy, Counter(whole=100_000)) == []


@pytest.mark.parametrize(
    "growing",
    [
        samples(rss_mib=lambda n: 300 + 8 * n),
        samples(peak_mib=800.0),
        samples(descriptors=lambda n: 80 + 5 * n),
        samples(tasks=lambda n: 9 + 10 * n),
    ],
)
def test_growth_in_the_second_half_and_too_much_memory_are_reported(growing: list[Sample]):
    assert len(faults(growing, Counter(whole=100_000))) == 1


def test_growth_of_a_run_in_which_connections_still_open_is_none_but_its_memory_has_the_limit():
    growing = samples(descriptors=lambda n: 80 + 5 * n)
    begins = [replace(sample, requests=sample.requests // 100) for sample in growing]
    assert faults(begins, Counter(whole=1_000)) == []
    too_large = [replace(sample, peak_mib=800.0) for sample in begins]
    assert len(faults(too_large, Counter(whole=1_000))) == 1


def test_unexpected_response_is_reported():
    assert len(faults(samples(), Counter({"whole": 99_999, "unexpected 500 to whole": 1}))) == 1


def test_small_soak_gets_only_expected_responses(capsys: pytest.CaptureFixture[str]):
    assert main(["--requests", "60", "--users", "20", "--samples", "2"], fork_process) == 0
    printed = capsys.readouterr().out
    assert "unexpected" not in printed
    assert "bad token" in printed
