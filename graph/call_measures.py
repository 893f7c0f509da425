"""Counts of the calls of the model and of tools, by OpenTelemetry's GenAI conventions."""

from typing import Final

from identity.observation.attribute import Attribute
from identity.observation.metrics import LONG_SECONDS, Counter, Metrics

PROVIDER: Final = "openai"
"""By the convention's rule: the format of the API, not the vendor."""


_OF_MODEL: Final = (Attribute.OPERATION, Attribute.PROVIDER, Attribute.MODEL)


class CallMeasures:
    """The calls of one agent's graph."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self.inference: Final = metrics.histogram(
            "gen_ai.client.inference.duration",
            "Calls of the model",
            labels=(*_OF_MODEL, Attribute.ERROR_TYPE),
            bounds=LONG_SECONDS,
        )
        self.first_chunk: Final = metrics.histogram(
            "gen_ai.client.inference.time_to_first_chunk",
            "From the start of a streamed call of the model to its first piece",
            labels=_OF_MODEL,
            bounds=LONG_SECONDS,
        )

        def tokens(kind: str, counted: str) -> Counter:
            return metrics.counter(
                f"gen_ai.client.inference.usage.{kind}",
                f"{counted}, as the model service reports them",
                unit="{token}",
                labels=_OF_MODEL,
            )

        self.input_tokens: Final = tokens("input_tokens", "Tokens of prompts")
        self.output_tokens: Final = tokens("output_tokens", "Tokens of responses, thinking included")
        self.reasoning_tokens: Final = tokens("reasoning.output_tokens", "Tokens of thinking")
        self.tools: Final = metrics.histogram(
            "gen_ai.execute_tool.duration",
            "Calls of tools, with the renewal of a refused credential",
            labels=(Attribute.OPERATION, Attribute.TOOL, Attribute.SERVICE, Attribute.ERROR_TYPE),
            bounds=LONG_SECONDS,
        )
        self.observed: Final = metrics.counter(
            "idaas_agent.policy.observed_decisions",
            "Calls that rules which are only observed would have decided otherwise, by that decision",
            unit="{call}",
            labels=(Attribute.SERVICE, "idaas_agent.policy.decision"),
        )
