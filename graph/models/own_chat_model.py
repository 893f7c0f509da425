"""A LangChain chat model of the operator's, with its own key, in place of the agent's model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage

from graph.error_codes import GraphCode
from graph.models.piece import thinking_kwargs
from graph.models.provider import ResponseReader, completed, would_stream
from identity.errors import AgentError, ServiceError
from identity.secrets.secret import Secret

_ENDS: Final = ("finish_reason", "stop_reason", "stopReason", "done_reason", "status")
"""Where LangChain's chat models report how a response ended: those for OpenAI's chat completions and Gemini,
Anthropic, Bedrock, Ollama, and OpenAI's responses.
"""
_FINISH_REASONS: Final = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "length": "length",
    "max_tokens": "length",
    "incomplete": "length",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
}


@dataclass(frozen=True, slots=True)
class OwnChatModel:
    """A `ModelProvider` by `chat`, which has its own key: the caller's is not sent to it.

    `options` are those of its requests, `tool_options` those of requests that offer tools. Its response has
    the form that the agent's provider gives it: a text, calls, and a finish reason. It has none if `chat`
    reports its end in no form that is known here. An error of `chat` is a `ServiceError` without its text.
    """

    chat: BaseChatModel
    options: Mapping[str, Any] = field(default_factory=dict)
    tool_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the model, as traces show it."""
        return self._described("ls_model_name") or type(self.chat).__name__

    @property
    def api(self) -> str:
        """The provider whose API it is, as traces show it."""
        return self._described("ls_provider") or "unknown"

    async def complete(
        self,
        messages: Sequence[AnyMessage],
        tools: Sequence[Mapping[str, Any]],
        *,
        api_key: Secret,  # noqa: ARG002 - it has its own
        reader: ResponseReader | None = None,
    ) -> BaseMessage:
        """The whole answer to `messages`."""
        try:
            if tools:
                model = self.chat.bind_tools(
                    [dict(tool) for tool in tools], **self.tool_options, **self.options
                )
            else:
                model = self.chat.bind(**self.options)
            response = await completed(model, messages, reader, streams=would_stream(self.chat))
            return _in_form_of_the_agent(response)
        except AgentError:
            raise
        except Exception as error:  # noqa: BLE001 - a model of somebody else's raises anything
            status = getattr(error, "status_code", None)
            detail = f"the model of middleware raised {type(error).__name__}"
        code = status if isinstance(status, int) else None
        raise ServiceError(GraphCode.MODEL_CALL_FAILED, detail, status=code)

    async def aclose(self) -> None:
        """Its connections are its own."""

    def _described(self, name: str) -> str | None:
        described = cast(Mapping[str, Any], self.chat._get_ls_params())  # noqa: SLF001 - what traces show
        return described.get(name)


def _in_form_of_the_agent(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, AIMessage):
        return message
    reported = message.response_metadata
    ends = (reported[name] for name in _ENDS if isinstance(reported.get(name), str))
    end = next(ends, "").lower()
    metadata = {"finish_reason": _FINISH_REASONS.get(end, end)}
    if isinstance(name := reported.get("model_name") or reported.get("model"), str):
        metadata["model_name"] = name
    thinking = "".join(
        block.get("reasoning", "") for block in message.content_blocks if block["type"] == "reasoning"
    )
    return AIMessage(
        content=str(message.text),
        additional_kwargs=thinking_kwargs(thinking),
        tool_calls=message.tool_calls,
        invalid_tool_calls=message.invalid_tool_calls,
        response_metadata=metadata,
        usage_metadata=message.usage_metadata,
        id=message.id,
    )
