"""Services that repeat the credentials that they received."""

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.recorder import Recorder


def mirror(status: int = 200, content: Callable[[dict[str, Any]], Any] = lambda seen: seen) -> Recorder:
    """A service that responds with everything it received; `content` makes another body of it."""

    async def respond(request: Request) -> Response:
        body = (await request.body()).decode()
        made = content({"headers": dict(request.headers), "url": str(request.url), "body": body})
        return made if isinstance(made, Response) else JSONResponse(made, status)

    return Recorder(respond)


def oauth_error(seen: dict[str, Any]) -> dict[str, Any]:
    """A refusal of IDaaS with the whole request in each of its members."""
    received = f"{seen['body']} {seen['headers']}"
    return {
        "error": "invalid_grant",
        "error_description": received,
        "error_uri": received,
        "request_id": received,
    }


def malformed_token(seen: dict[str, Any]) -> dict[str, Any]:
    """A token in a malformed response."""
    return {"access_token": "eyJhbGciOiJub25l." + "eyJzdWIiOiJ4In0." + "s" * 60, "expires_in": seen["body"]}


def openai_error(seen: dict[str, Any]) -> dict[str, Any]:
    """A model service's refusal that contains the key, in OpenAI's form."""
    key = seen["headers"]["authorization"].removeprefix("Bearer ")
    error = {"message": f"Incorrect API key provided: {key}.", "code": key, "type": key, "param": key}
    return {"error": error, "request_id": key, "message": key, "code": key}


def spoken(seen: dict[str, Any]) -> Response:
    """A model that streams its own key, letter by letter."""
    key = seen["headers"]["authorization"].removeprefix("Bearer ")
    deltas = [{"content": letter, "reasoning_content": letter} for letter in f"Your key is {key}"]
    deltas.append(
        {"tool_calls": [{"index": 0, "id": key, "function": {"name": key, "arguments": f'"{key}"'}}]}
    )
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    chunks = [{"id": key, "model": key, "choices": [choice]} for choice in choices]
    events = "".join(f"data: {json.dumps({'object': 'chat.completion.chunk', **c})}\n\n" for c in chunks)
    return Response(f"{events}data: [DONE]\n\n", media_type="text/event-stream")
