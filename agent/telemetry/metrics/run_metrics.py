"""The metrics of runs, and of their calls of the model and of tools, by the GenAI conventions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from agent.telemetry.metrics.metric import Kind, Metric, Values, number
from identity.telemetry.measures import LONG_SECONDS, Labels

if TYPE_CHECKING:
    from agent.telemetry.metrics.measures.agent_measures import AgentMeasures

_MODEL: Final = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")
_CHAT: Final = ("chat", "openai")
"""OpenAI is the provider by the convention's rule: the format, not the vendor."""


def _of_chat(values: Mapping[Labels, float]) -> Values:
    return {(*_CHAT, *labels): value for labels, value in values.items()}


def _tools(measures: "AgentMeasures") -> Values:
    return {("execute_tool", *labels): value for labels, value in measures.calls.tools.series.items()}


RUN_METRICS: Final = (
    Metric(
        name="idaas_agent.runs.open",
        kind=Kind.GAUGE,
        unit="{run}",
        description="Runs that go on now",
        read=number(lambda measures: measures.runs.open),
    ),
    Metric(
        name="gen_ai.invoke_agent.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="Runs, from their start to their end, by the code of their error",
        labels=("error.type",),
        bounds=LONG_SECONDS,
        read=lambda measures: measures.runs.seconds.series,
    ),
    Metric(
        name="idaas_agent.run.time_to_first_token",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="From the start of a streamed run to its first piece of text or thinking",
        bounds=LONG_SECONDS,
        read=lambda measures: measures.runs.first_token.series,
    ),
    Metric(
        name="gen_ai.client.inference.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="Calls of the model",
        labels=(*_MODEL, "error.type"),
        bounds=LONG_SECONDS,
        read=lambda measures: _of_chat(measures.calls.inference.series),  # type: ignore[arg-type]
    ),
    Metric(
        name="gen_ai.client.inference.time_to_first_chunk",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="From the start of a streamed call of the model to its first piece",
        labels=_MODEL,
        bounds=LONG_SECONDS,
        read=lambda measures: _of_chat(measures.calls.first_chunk.series),  # type: ignore[arg-type]
    ),
    Metric(
        name="gen_ai.client.inference.usage.input_tokens",
        kind=Kind.COUNTER,
        unit="{token}",
        description="Tokens of prompts, as the model service reports them",
        labels=_MODEL,
        read=lambda measures: _of_chat(measures.calls.input_tokens.counts),
    ),
    Metric(
        name="gen_ai.client.inference.usage.output_tokens",
        kind=Kind.COUNTER,
        unit="{token}",
        description="Tokens of responses, thinking included, as the model service reports them",
        labels=_MODEL,
        read=lambda measures: _of_chat(measures.calls.output_tokens.counts),
    ),
    Metric(
        name="gen_ai.client.inference.usage.reasoning.output_tokens",
        kind=Kind.COUNTER,
        unit="{token}",
        description="Tokens of thinking, as the model service reports them",
        labels=_MODEL,
        read=lambda measures: _of_chat(measures.calls.reasoning_tokens.counts),
    ),
    Metric(
        name="gen_ai.execute_tool.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="Calls of tools, with the renewal of a refused credential",
        labels=("gen_ai.operation.name", "gen_ai.tool.name", "idaas_agent.service", "error.type"),
        bounds=LONG_SECONDS,
        read=_tools,
    ),
)
"""Of every surface."""
