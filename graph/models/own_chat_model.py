"""A LangChain chat model of the operator's, with its own key, in place of the agent's model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, BaseMessage

from graph.models.provider import ResponseReader, completed, would_stream
from graph.models.published_response import failure_of, in_form_of_the_agent
from graph.models.shared_clients import keep_callers_apart
from identity.errors import AgentError
from identity.secrets.secret import Secret


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
            keep_callers_apart(self.chat)
            if tools:
                model = self.chat.bind_tools(
                    [dict(tool) for tool in tools], **self.tool_options, **self.options
                )
            else:
                model = self.chat.bind(**self.options)
            streams = bool(tools) or would_stream(self.chat)  # of a whole response, packages repair calls
            response = await completed(model, messages, reader, streams=streams)
            return in_form_of_the_agent(response)
        except AgentError:
            raise
        except Exception as error:  # noqa: BLE001 - a model of somebody else's raises anything
            failure = failure_of(error, "the model of middleware")
        raise failure

    async def aclose(self) -> None:
        """Its connections are its own."""

    def _described(self, name: str) -> str | None:
        described = cast(Mapping[str, Any], self.chat._get_ls_params())  # noqa: SLF001 - what traces show
        return described.get(name)
