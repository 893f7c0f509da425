"""Model Studio's OpenAI-compatible API, with its thinking switch."""

import ssl

from graph.models.openai_compatible import OpenAICompatible, openai_compatible


def model_studio(
    *,
    base_url: str,
    model: str,
    enable_thinking: bool | None = None,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float = 120.0,
    max_retries: int = 1,
) -> OpenAICompatible:
    """The model `model` of Model Studio; see `openai_compatible` for the other arguments.

    `enable_thinking` is sent unless it is `None`, which leaves the decision to the model.
    """
    return openai_compatible(
        base_url=base_url,
        model=model,
        ssl_context=ssl_context,
        timeout=timeout,
        max_retries=max_retries,
        stream_usage=True,
        tool_options={"parallel_tool_calls": True},
        extra_body=None if enable_thinking is None else {"enable_thinking": enable_thinking},
    )
