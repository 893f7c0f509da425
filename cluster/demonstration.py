"""People chat, and one of them has an approval to give, while a replica is killed: what each of them sees."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx

from cluster.cluster import Cluster
from cluster.person import Person

QUESTIONS: Final = ("What is the weather in Hangzhou right now?", "Call my enterprise service")
LEAVE: Final = "Apply for three days of leave from Monday"
_FIRST_TOKEN_SECONDS: Final = 0.5
_TOKEN_SECONDS: Final = 0.06
_APART_SECONDS: Final = 0.2
"""People begin one after the other, so that each is at another step when the replica is killed."""


@dataclass(frozen=True)
class Sight:
    """What one person saw, and what is stored of it. `faults` is what must not be: it is empty."""

    person: str
    asked: str
    replicas: Sequence[str]
    seen: Sequence[str]
    faults: Sequence[str]


async def demonstrate(cluster: Cluster, names: Sequence[str]) -> list[Sight]:
    """Kills the first replica while people chat. The first of `names` has asked for leave, and approves.

    The killed replica is started again afterwards.
    """
    settings, killed = cluster.sandbox.cloud.settings, cluster.replicas[0]
    async with people(cluster, names) as everybody:
        asked = {person.name: QUESTIONS[n // 2 % len(QUESTIONS)] for n, person in enumerate(everybody)}
        approver, *others = everybody
        asked[approver.name] = LEAVE
        await approver.ask(LEAVE)
        settings.model_first_token_delay, settings.model_token_delay = _FIRST_TOKEN_SECONDS, _TOKEN_SECONDS
        try:
            chats = []
            for person in others:
                chats.append(asyncio.create_task(person.ask(asked[person.name])))
                await asyncio.sleep(_APART_SECONDS)
            await others[-1].started.wait()
            await asyncio.to_thread(killed.kill)
            await asyncio.gather(approver.approve(), *chats)
        finally:
            settings.model_first_token_delay = settings.model_token_delay = 0.0
        killed.start()
        await killed.ready()
        return [
            Sight(each.name, asked[each.name], each.replicas, each.seen, faults_of(await each.stored()))
            for each in everybody
        ]


@asynccontextmanager
async def people(cluster: Cluster, names: Sequence[str]) -> AsyncIterator[list[Person]]:
    """People with clients of the balancer, each request on a connection of its own."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{cluster.balancer.port}", timeout=60, limits=limits, trust_env=False
    ) as http:
        served_by = partial(_served_by, cluster)
        yield [Person(name, http, partial(cluster.token, name), served_by) for name in names]


def _served_by(cluster: Cluster, response: httpx.Response) -> str:
    _, port = response.extensions["network_stream"].get_extra_info("client_addr")[:2]
    replica = cluster.replica_at(cluster.balancer.served_by(port))
    return replica.name if replica else "?"


def _is_answer(message: dict[str, Any]) -> bool:
    """Whether it ends a run: one that was cut off is continued."""
    is_response = message["role"] == "assistant" and not message.get("toolCalls")
    return is_response and not message.get("unfinished")


def faults_of(thread: dict[str, Any]) -> list[str]:
    """What is lost or doubled in a stored conversation of one question; empty if nothing is."""
    messages = thread["messages"]
    faults = []
    if thread["status"] != "idle":
        faults.append(f"the run is {thread['status']}")
    if (questions := sum(each["role"] == "user" for each in messages)) != 1:
        faults.append(f"{questions} questions")
    if not messages or messages[-1]["role"] != "assistant" or not messages[-1].get("content"):
        faults.append("no answer")
    if (answers := sum(_is_answer(each) for each in messages)) > 1:
        faults.append(f"{answers} answers")
    calls = [call["id"] for each in messages for call in each.get("toolCalls") or ()]
    results = [each["toolCallId"] for each in messages if each["role"] == "tool"]
    if sorted(calls) != sorted(results):
        faults.append(f"{len(calls)} calls, {len(results)} results")
    return faults
