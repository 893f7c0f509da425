"""The metrics of runs, and of their calls of the model and of tools, by the GenAI conventions."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from agent.operations.metrics.metric import Kind, Metric, Values, number
from identity.observation.attribute import Attribute
from identity.observation.measures import LONG_SECONDS, Labels, Tally

if TYPE_CHECKING:
    from agent.operations.metrics.agent_measures import AgentMeasures
    from graph.observed_calls import ObservedCalls

_MODEL: Final = (Attribute.OPERATION, Attribute.PROVIDER, Attribute.MODEL)
_CHAT: Final = ("chat", "openai")
"""OpenAI is the provider by the convention's rule: the format, not the vendor."""


def _of_chat(values: Mapping[Labels, float]) -> Values:
    return {(*_CHAT, *labels): value for labels, value in values.items()}


def _tools(measures: "AgentMeasures") -> Values:
    return {("execute_tool", *labels): value for labels, value in measures.calls.tools.series.items()}


def _tokens(name: str, counted: str, tally: "Callable[[ObservedCalls], Tally]") -> Metric:
    return Metric(
        name=f"gen_ai.client.inference.usage.{name}",
        kind=Kind.COUNTER,
        unit="{token}",
        description=f"{counted}, as the model service reports them",
        labels=_MODEL,
        read=lambda measures: _of_chat(tally(measures.calls).counts),
    )


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
        labels=(Attribute.ERROR_TYPE,),
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
        labels=(*_MODEL, Attribute.ERROR_TYPE),
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
    _tokens("input_tokens", "Tokens of prompts", lambda calls: calls.input_tokens),
    _tokens("output_tokens", "Tokens of responses, thinking included", lambda calls: calls.output_tokens),
    _tokens("reasoning.output_tokens", "Tokens of thinking", lambda calls: calls.reasoning_tokens),
    Metric(
        name="gen_ai.execute_tool.duration",
        kind=Kind.HISTOGRAM,
        unit="s",
        description="Calls of tools, with the renewal of a refused credential",
        labels=(Attribute.OPERATION, Attribute.TOOL, Attribute.SERVICE, Attribute.ERROR_TYPE),
        bounds=LONG_SECONDS,
        read=_tools,
    ),
)
"""Of every surface."""
