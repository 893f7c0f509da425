"""The agent of a LangGraph server: one for each event loop, configured by the environment of the process."""

import asyncio
import logging
import os
from collections.abc import Awaitable
from typing import Final, NamedTuple, cast
from weakref import WeakKeyDictionary

from langgraph.config import get_config
from langgraph.runtime import Runtime

from agent.api.langgraph.process_reports import ProcessReports
from agent.api.langgraph.redis_marks import RedisMarks
from agent.api.langgraph.sealed_callers import USER, USER_DEVICE, SealedCallers
from agent.api.langgraph.traced_graph import RunSpans, TracedGraph
from agent.composition.agent import Agent
from agent.operations.traces.langsmith import trace_by_default
from agent.redis import SharedRedis, shared_redis
from agent.settings.settings import read_settings
from agent.settings.variable_names import misspelt_variables
from graph.build import CompiledAgentGraph
from graph.context import AgentContext
from idaas_agent.library.token_references import REFERENCE, member_of, token_references
from identity.access_token.sealed_caller import CallerSeal
from identity.observation.request_context import DEVICE
from identity.secrets.secret import Secret

_LOG: Final = logging.getLogger("idaas_agent.settings")


class ServerAgent(NamedTuple):
    """The agent, its graph as a server executes it, and its seal.

    `sealed_callers` is `None` without `SEAL_KEY_FILE` and `REDIS_URL`. `redis` has their claims.
    """

    agent: Agent
    graph: TracedGraph
    sealed_callers: SealedCallers | None
    redis: SharedRedis | None


_agents: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[ServerAgent]]] = WeakKeyDictionary()
_stop_reports: Final = ProcessReports()


async def agent_of_this_loop() -> Agent:
    """The agent, created at first use. Raises `ConfigurationError`."""
    return (await server_agent()).agent


async def server_agent() -> ServerAgent:
    """The agent and its seal, created at first use. Raises `ConfigurationError`."""
    loop = asyncio.get_running_loop()
    starting = _agents.get(loop)
    if starting is None or (starting.done() and (starting.cancelled() or starting.exception() is not None)):
        # In a thread, because files are read: the configuration, and the authorities to trust.
        starting = _agents[loop] = loop.create_task(_start())
    return await asyncio.shield(starting)


async def end_agents() -> None:
    """Closes the agent of this loop, which ends its audit log, and exports the spans that are left of others.

    Call it when the server has stopped, after its last run.
    """
    for loop, starting in list(_agents.items()):
        if not starting.done() or starting.cancelled() or starting.exception() is not None:
            continue
        made = starting.result()
        if loop is asyncio.get_running_loop():
            await made.agent.aclose()
            if made.redis is not None:
                await made.redis.aclose()
        elif made.agent.tracer is not None:
            await asyncio.to_thread(made.agent.tracer.stop)


async def _start() -> ServerAgent:
    made = await asyncio.to_thread(_make)
    revocation = made.agent.revocation
    _stop_reports.join(made.agent.stop_reporter, revocation.revocations, revocation.hear)
    await revocation.start()
    made.agent.stop_reporter.start()
    if made.agent.kept is not None:
        made.agent.kept.storage.retention.start()
    return made


def _make() -> ServerAgent:
    for warning in misspelt_variables(os.environ):
        _LOG.warning("%s", warning)
    settings = read_settings(os.environ)
    redis = shared_redis(settings)
    marks = None if redis is None else RedisMarks(redis)
    sealed = None
    if marks is not None and settings.seal_key_file is not None:
        seal = CallerSeal(settings.seal_key_file, audience=settings.agent_audience, claims=marks)
        sealed = SealedCallers(seal, settings.idaas.issuer)

    def caller(runtime: Runtime[AgentContext]) -> Secret | Awaitable[Secret | None] | None:
        # The user that the auth handler made. Of what clients send, nothing is read.
        user = get_config().get("configurable", {}).get(USER)
        DEVICE.set(member_of(user, USER_DEVICE))  # of this visit
        referred = token_references.find(member_of(user, REFERENCE), member_of(user, "identity"))
        if referred is None and sealed is not None:
            return sealed.find(runtime)
        return referred

    begun_calls = marks if sealed else None
    agent = Agent(settings, caller=caller, resume_values=True, begun_calls=begun_calls)
    # The server runs the graph itself, without `agent.runs`.
    trace_by_default(agent.settings.agent_tracing == "langsmith")
    graph = cast(CompiledAgentGraph, agent.graph)  # an application's own is refused for `resume_values`
    return ServerAgent(agent, TracedGraph.of(graph, RunSpans.of(agent)), sealed, redis)
