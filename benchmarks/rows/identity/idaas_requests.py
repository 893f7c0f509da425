"""The number of requests to IDaaS, and how many of its responses a first chat waits for in sequence."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from langchain_core.messages import HumanMessage

from agent.composition.agent import Agent
from agent.runs.run import end_of
from agent.settings.settings import read_settings
from benchmarks.bench import Bench
from benchmarks.report.measurement import Figure, at_most, series
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.principal import AccessIdentity

_CREDENTIALS: Final = {"a greeting": 3, "all services": 4}
"""PAM token and two API keys; the enterprise service's token, once a call of it is pending."""
_LATENCY: Final = 0.1
_QUESTIONS: Final = ("Hello!", "What is the weather?", "Call my enterprise service: enterprise")


def measure(bench: Bench) -> Sequence[Figure]:
    """Counts of the sandbox; each measurement uses a new agent in this process."""
    concurrency = 10 if bench.plan.quick else 100
    return asyncio.run(_figures(bench, concurrency))


async def _figures(bench: Bench, concurrency: int) -> list[Figure]:
    figures = []
    for access_identity in AccessIdentity:
        for at_once in (1, concurrency):
            first, all_services, warm, _ = await _requests(bench, access_identity, at_once)
            for what, requests in (("a greeting", first), ("all services", first + all_services)):
                figures.append(
                    Figure(
                        f"cold, {access_identity}, {what}, {at_once} at once",
                        "requests",
                        series(requests),
                        "distinct credentials",
                        series(_CREDENTIALS[what]),
                        at_most(1),
                    )
                )
        name = f"warm, {access_identity}, {len(_QUESTIONS) * concurrency} chats"
        figures.append(Figure(name, "requests", series(warm), target=at_most(0)))
    for service in ("idaas.token", "developer_api"):
        bench.control("PUT", f"faults/{service}", {"latency": _LATENCY})
    try:
        *_, took = await _requests(bench, AccessIdentity.HUMAN, 1)
    finally:
        bench.control("DELETE", "faults")
    depth = round(took / _LATENCY, 2)
    figures.append(
        Figure(
            f"cold, Human: time of a first chat at {_LATENCY * 1000:.0f} ms a response",
            "responses of IDaaS",
            series(depth),
            target=at_most(2.5),
        )
    )
    return figures


async def _requests(
    bench: Bench, access_identity: AccessIdentity, at_once: int
) -> tuple[int, int, int, float]:
    """Returns the requests to IDaaS of `at_once` first greetings, of first chats with all services, and of
    warm chats, and the seconds that the greetings took.
    """
    settings = read_settings(bench.agent_environment | {"ACCESS_IDENTITY": access_identity.value})
    agent = Agent(settings)
    try:
        # Signing keys are fetched before the first request, and are not counted as credentials.
        await agent.jwks.load()
        caller = await agent.verifier.verify(bench.access_token())
        bench.idaas_requests()
        began = time.perf_counter()
        await asyncio.gather(*(_chat(agent, caller, "Hello!") for _ in range(at_once)))
        took = time.perf_counter() - began
        first = sum(bench.idaas_requests().values())
        await asyncio.gather(*(_chat(agent, caller, each) for each in _QUESTIONS * at_once))
        all_services = sum(bench.idaas_requests().values())
        await asyncio.gather(*(_chat(agent, caller, each) for each in _QUESTIONS * at_once))
        return first, all_services, sum(bench.idaas_requests().values()), took
    finally:
        await agent.aclose()


async def _chat(agent: Agent, caller: VerifiedAccessToken, question: str) -> None:
    await end_of(agent.runs.start([HumanMessage(question)], caller, streaming=False))
