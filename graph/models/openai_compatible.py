"""Any OpenAI-compatible endpoint of chat completions, including those that refuse unknown members, and Model
Studio, with its thinking switch.
"""

import ssl
from collections.abc import Mapping
from typing import Any

from openai import AsyncOpenAI

from graph.models.chat_model import ChatModel, no_key
from graph.models.client import model_client
from graph.models.provider import ChatModelProvider, ModelProvider
from http1.transport import PoolUse


def openai_compatible(
    *,
    base_url: str,
    model: str,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float = 120.0,
    max_retries: int = 1,
    stream_usage: bool = False,
    tool_options: Mapping[str, Any] | None = None,
    extra_body: Mapping[str, Any] | None = None,
) -> ChatModelProvider:
    """The model `model` at `base_url`. By default only `model`, `messages`, `stream` and `tools` are sent.

    `stream_usage` requests token counts of streams (`stream_options`). `tool_options` are members of requests
    that offer tools, `extra_body` of all requests.
    `timeout` (seconds) bounds the wait for each piece of a response; the graph bounds the whole response.
    Connect errors, 429 and 5xx are sent again up to `max_retries` times, before anything was streamed, unless
    the service requests a wait (`Retry-After`) of more than 5 seconds.
    """
    use = PoolUse()
    http = model_client(ssl_context, timeout, use=use)
    client = AsyncOpenAI(
        base_url=base_url, api_key=no_key, http_client=http, timeout=timeout, max_retries=max_retries
    )
    chat = ChatModel(
        model=model,
        base_url=base_url,
        api_key=no_key,
        http_async_client=http,
        root_async_client=client,
        async_client=client,
        stream_usage=stream_usage,
        http_socket_options=(),  # or LangChain warns that proxies are not used, of a client that is not used
        use_responses_api=False,
        extra_body=dict(extra_body or {}) or None,
    )
    return ChatModelProvider(
        chat, tool_options=tool_options, close=http.aclose, pool_use=use, takes_reader=True
    )


def with_stream_usage(provider: ModelProvider) -> ModelProvider:
    """`provider`, which from now on requests token counts of streams, if it is an `openai_compatible` one."""
    chat = getattr(provider, "chat", None)
    if isinstance(chat, ChatModel):
        chat.stream_usage = True
    return provider


def model_studio(*, enable_thinking: bool | None = None, **options: Any) -> ChatModelProvider:  # noqa: ANN401 - those of `openai_compatible`
    """A model of Model Studio; see `openai_compatible` for the other arguments.

    `enable_thinking` is sent unless it is `None`, which leaves the decision to the model.
    """
    if enable_thinking is not None:
        options["extra_body"] = {"enable_thinking": enable_thinking}
    return openai_compatible(**options, stream_usage=True, tool_options={"parallel_tool_calls": True})
