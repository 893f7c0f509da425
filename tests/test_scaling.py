"""The simulation agrees with the theory of queues, and the document with the simulation."""

import pytest

from benchmarks.scaling import (
    PAGE,
    Assumptions,
    erlang_c,
    exponential,
    largest,
    mean_wait,
    needs,
    servers_needed,
    simulate,
    written,
)


def test_erlang_c_has_the_values_of_the_tables():
    assert erlang_c(1, 0.5) == pytest.approx(0.5)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(10, 8.0) == pytest.approx(0.4092, abs=1e-4)
    with pytest.raises(ValueError, match="load"):
        erlang_c(2, 2.0)


@pytest.mark.parametrize(("servers", "use"), [(1, 0.5), (1, 0.7), (4, 0.8), (8, 0.8)])
def test_simulated_wait_is_that_of_the_formula(servers, use):
    arrivals = servers * use / 0.02
    simulated = simulate(arrivals, exponential(0.02), servers, shared_queue=True)
    assert simulated.mean == pytest.approx(mean_wait(arrivals, 0.02, servers), rel=0.2)
    assert simulated.utilization == pytest.approx(use, rel=0.05)


def test_wait_in_one_queue_has_the_percentile_of_the_formula():
    # M/M/1: P(wait > t) = use * exp(-(1 - use) t / work)
    simulated = simulate(35.0, exponential(0.02), 1)
    assert simulated.p99 == pytest.approx(0.02 / 0.3 * 4.248, rel=0.2)


def test_queue_for_each_server_is_never_shorter_than_a_shared_one():
    arrivals = 4 * 0.8 / 0.02
    apart, shared = (simulate(arrivals, exponential(0.02), 4, shared_queue=one) for one in (False, True))
    assert apart.mean > shared.mean


def test_same_seed_gives_the_same_result():
    first, second = (simulate(40.0, exponential(0.02), 2, requests=1000) for _ in range(2))
    assert first == second


def test_servers_needed_are_the_fewest_that_meet_the_limit():
    service = exponential(0.02)
    number = servers_needed(200.0, service, 0.02, 0.05)
    assert simulate(200.0, service, number).p99 <= 0.05
    assert simulate(200.0, service, number - 1).p99 > 0.05


def test_needs_grow_with_employees_and_affinity_saves_exchanges():
    small, large = needs(1_000), needs(20_000)
    assert large.turns == pytest.approx(20 * small.turns)
    assert large.replicas > small.replicas == 2
    assert large.exchanges_with_affinity < large.exchanges_without <= large.turns * 3
    assert largest(large.turns, "turns") == pytest.approx(20_000, abs=1)


def test_document_has_the_tables_of_the_simulation():
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run: python -m benchmarks.scaling"


def test_document_names_the_assumptions_of_the_simulation():
    people = Assumptions()
    use = f"{people.turns_a_day} questions in {people.hours_a_day} hours"
    peak = f"{people.peak_factor} times as many at the peak, {people.tool_share:.0%} with a call of a tool"
    assert f"{use}, {peak}" in PAGE.read_text(encoding="utf-8")
