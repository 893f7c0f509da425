"""LangChain's callbacks for a tool call, which LangGraph's stream mode `tools` and LangSmith listen to.

A tool does not run as a runnable of LangChain here (`tools.service.ToolSchema`), so its callbacks are called
explicitly.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackManager
from langchain_core.messages import ToolMessage
from langchain_core.runnables import ensure_config

Finished = Callable[[ToolMessage], Awaitable[None]]


@asynccontextmanager
async def tool_callbacks(tool: str, call_id: str, arguments: Mapping[str, Any]) -> AsyncIterator[Finished]:
    """Reports the start of a call, and its result when that is passed to the yielded function.

    `arguments` are as a client may see them. Of an exception only the type is reported. Costs nothing where
    no callback is registered.
    """
    registered = ensure_config().get("callbacks")
    if not isinstance(registered, BaseCallbackManager) or not registered.handlers:
        yield _not_reported
        return
    callbacks = AsyncCallbackManager.configure(registered)
    call = await callbacks.on_tool_start(
        {"name": tool},
        json.dumps(arguments, ensure_ascii=False),
        name=tool,
        inputs=dict(arguments),
        tool_call_id=call_id,
    )
    try:
        yield call.on_tool_end
    except BaseException as error:
        await call.on_tool_error(RuntimeError(f"the call ended with {type(error).__name__}"))
        raise


async def _not_reported(_: ToolMessage) -> None:
    pass
