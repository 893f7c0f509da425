"""A chat-completions endpoint that refuses members that OpenAI's first chat API does not know."""

from typing import Any

from starlette.responses import JSONResponse

from tests.graph.models.qwen_wire import answer, chunk

KNOWN = {"model", "messages", "stream", "tools"}
KNOWN_OF_MESSAGES = {"role", "content", "tool_calls", "tool_call_id"}


def strict(request: dict[str, Any], _key: str) -> Any:
    """`Sunny`, in the requested form; status 400 for a request with an unknown member."""
    unknown = request.keys() - KNOWN
    for message in request["messages"]:
        unknown |= message.keys() - KNOWN_OF_MESSAGES
    if unknown:
        return JSONResponse({"error": {"message": f"unknown: {sorted(unknown)}", "code": "unknown"}}, 400)
    return (
        [chunk({"content": "Sunny"}, finish_reason="stop")]
        if request.get("stream")
        else answer({"content": "Sunny"})
    )
