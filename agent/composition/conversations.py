"""Joins the parts of conversations, as the settings want them."""

import secrets
from collections.abc import Callable

from agent.conversations.storage import ConversationStorage
from agent.operations.metrics.run_measures import RunMeasures
from agent.redis import SharedRedis
from agent.runs.conversation_runs import Conversations
from agent.runs.live_run import LiveRuns
from agent.runs.relay import Relay
from agent.runs.run_parts import RunParts
from agent.runs.runs import AgentGraph, Runs
from agent.settings.settings import Settings
from agent.settings.variables.records import Tracing
from graph.approvals.answer import AnswerReader
from graph.approvals.consent_urls import ConsentUrls


def composed_conversations(
    settings: Settings,
    storage: ConversationStorage,
    runs: Runs,
    graph: AgentGraph,
    *,
    answers: AnswerReader,
    consent_urls: ConsentUrls,
    clock: Callable[[], float],
    measures: RunMeasures,
    redis: SharedRedis | None = None,
) -> Conversations:
    """The conversations in `storage`. `graph` has its approvals; `runs` counts and ends the runs. Other
    processes see the runs by `redis`.
    """
    parts = RunParts(
        graph=graph,
        threads=storage.threads,
        approvals=storage.approvals,
        answers=answers,
        checkpoints=storage.checkpoints,
        process_id=secrets.token_hex(16),
        window_tokens=settings.conversation_tokens,
        clock=clock,
        consent_urls=consent_urls,
    )
    traced = settings.agent_tracing is Tracing.LANGSMITH
    live = LiveRuns()
    return Conversations(
        parts,
        runs,
        seconds=settings.run_timeout_seconds,
        traced=traced,
        measures=measures,
        live=live,
        relay=None if redis is None else Relay(redis, storage.encryption, storage.threads, live, clock=clock),
    )
