"""The numbers of several processes are the sums of all, also of those that have ended."""

import os
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection
from threading import Event, Thread
from types import SimpleNamespace
from typing import cast

import pytest

from agent.operations.metrics.agent_measures import AgentMeasures
from agent.operations.metrics.worker_metrics import WorkerReports, WorkersMetrics
from identity.observation.metrics import Kind, Metric, Reading

RENEWALS = "idaas_agent.credential.renewals"
UNKNOWN = Metric(name="a.metric", kind=Kind.COUNTER, unit="{one}", description="New")
DURATION = "http.server.request.duration"
ROUTE = ("GET", "/ready", "200")


class Worker:
    """A worker's side of a link, in this process."""

    def __init__(self, metrics: WorkersMetrics) -> None:
        self.measures = AgentMeasures()
        self.link = metrics.open()
        self.reports = WorkerReports(self.link)
        self.reports.start(self.measures.metrics.read)

    def works(self, times: int) -> None:
        self.measures.credentials.renewed += times
        for _ in range(times):
            self.measures.requests.ended("GET", "/ready", 200, None, 0.02)

    def ends(self) -> None:
        self.reports.stop()
        self.is_killed()

    def is_killed(self) -> None:
        """Both ends of the connection are closed, though a thread still reads."""
        with socket.socket(fileno=os.dup(self.link.fileno())) as connection:
            connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def metrics() -> Iterator[WorkersMetrics]:
    metrics = WorkersMetrics(seconds=20)
    yield metrics
    metrics.stop()


def counted(reading: Reading) -> tuple[object, object, object]:
    """Renewals, requests and processes."""
    found = {metric.name: values for metric, values in reading.items()}
    duration = found[DURATION].get(ROUTE, (0.0,))
    assert isinstance(duration, tuple)
    return found[RENEWALS][()], sum(duration[:-1]), found.get("idaas_agent.processes", {}).get((), 0)


def test_counts_of_all_workers_are_added(metrics: WorkersMetrics) -> None:
    workers = [Worker(metrics) for _ in range(3)]
    for number, worker in enumerate(workers, 1):
        worker.works(number)
    assert counted(metrics.read()) == (6, 6, 3)
    workers[0].works(4)
    assert counted(metrics.read()) == (10, 10, 3)


def test_counts_of_a_worker_that_ended_in_order_stay_complete(metrics: WorkersMetrics) -> None:
    stays, leaves = Worker(metrics), Worker(metrics)
    stays.works(1)
    leaves.works(2)
    metrics.read()
    leaves.works(3)
    leaves.ends()
    assert counted(metrics.read()) == (6, 6, 1)
    Worker(metrics).works(1)
    assert counted(metrics.read()) == (7, 7, 2)


def test_counts_of_a_killed_worker_stay_as_it_last_reported_them(metrics: WorkersMetrics) -> None:
    stays, killed = Worker(metrics), Worker(metrics)
    stays.works(1)
    killed.works(2)
    metrics.read()
    killed.works(3)
    killed.is_killed()
    assert [counted(metrics.read()) for _ in range(2)] == [(3, 3, 1)] * 2


def test_worker_that_does_not_report_counts_as_before() -> None:
    metrics = WorkersMetrics(seconds=0)
    silent = metrics.open()
    metrics.read()
    silent.send({UNKNOWN: {(): 5}})
    for _ in range(3):
        assert metrics.read()[UNKNOWN] == {(): 5}
    assert [silent.poll() and silent.recv_bytes() for _ in range(3)] == [b"report", b"report", False]


def test_report_that_comes_too_late_is_not_taken_for_the_next_one() -> None:
    metrics = WorkersMetrics(seconds=0)
    slow = metrics.open()
    metrics.read()
    answer(slow, 1)
    metrics._seconds = 20
    answering = Thread(target=answer, args=(slow, 2))
    answering.start()
    assert metrics.read()[UNKNOWN] == {(): 2}
    answering.join()


def answer(link: Connection, value: int) -> None:
    link.recv_bytes()
    link.send({UNKNOWN: {(): value}})


def test_gauge_that_is_the_same_in_all_processes_is_not_added(metrics: WorkersMetrics) -> None:
    for waiting in (2, 3):
        worker = Worker(metrics)
        worker.measures.approvals.number = waiting
    (waiting,) = (values for metric, values in metrics.read().items() if metric.shared)
    assert waiting == {(): 3}


def test_reading_survives_its_transport(metrics: WorkersMetrics) -> None:
    worker = Worker(metrics)
    measures = worker.measures
    measures.requests.ended("GET", "/ready", 200, None, 0.02)
    measures.calls.input_tokens.add("chat", "openai", "qwen-plus", amount=3)
    reported, reading = metrics.read(), measures.metrics.read()
    assert reported.keys() == reading.keys()
    assert all(reported[each] == reading[each] for each in reading if not each.name.startswith("process."))


def test_rounds_go_on_after_a_malformed_report(caplog: pytest.LogCaptureFixture) -> None:
    metrics, rounds = WorkersMetrics(seconds=0), iter([False, False, True])
    metrics.open().send_bytes(b"no report")
    metrics._stopped = cast(Event, SimpleNamespace(wait=lambda _: next(rounds)))
    metrics._requests()
    assert next(rounds, None) is None
    assert [record.getMessage() for record in caplog.records] == [
        "the metrics of the workers could not be read: UnpicklingError"
    ]
