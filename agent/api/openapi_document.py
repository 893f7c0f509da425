"""The OpenAPI document of the app: what each route needs and may answer, in the agent's own error shape.

Routes declare what is theirs; what is the same for all is added here: the access token, and the errors.
"""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from agent.api.messages import conversation_schema
from agent.api.response_models import CompletionChunk, ErrorAnswer
from agent.middleware.authentication import PUBLIC_PATHS

_STREAMS: Final = ("stream", "stream_log", "stream_events")
MAX_BATCH: Final = 32
_SCHEME: Final = "access_token"
EVENTS: Final = {
    "schema": {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}},
}
"""Server-sent events, each as what its fields are."""
_SCHEMAS: Final = "#/components/schemas/"
CHAT_EVENTS: Final = {
    "schema": {
        "type": "object",
        "properties": {
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": f"{_SCHEMAS}{CompletionChunk.__name__}"},
            }
        },
    },
}
"""The chat's events. The last one's `data` is `[DONE]`, or an error like that of an answer with a status."""
_ERRORS: Final = {
    401: "No access token, or one that is not good. See `WWW-Authenticate`.",
    403: "The access token lacks the scope.",
    404: "There is nothing here.",
    405: "The path has no such method.",
    429: "Too many requests, here or at a service behind. See `Retry-After`.",
    503: "IDaaS cannot be reached, or the agent stops. See `Retry-After`.",
}
_ERRORS_OF_BODIES: Final = {
    400: "The body is not one that the agent can serve; `param` names the member.",
    408: "The body took too long to arrive.",
    413: "The body is too large.",
    422: "The body is not one that the agent can serve; `param` names the member.",
    502: "A credential was refused, or a service failed.",
    504: "The run took too long.",
}
_CHALLENGE: Final = {
    "WWW-Authenticate": {"description": "RFC 6750, section 3.", "schema": {"type": "string"}},
}
_WAIT: Final = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
}
_HEADERS: Final = {401: _CHALLENGE, 403: _CHALLENGE, 429: _WAIT, 503: _WAIT}


def api_document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What `FastAPI.openapi` is to be. The document is made at first use."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version="1", description=str(__doc__).splitlines()[0], routes=app.routes
            )
            _complete(made)
            app.openapi_schema = made
        return app.openapi_schema

    return document


def _complete(made: dict[str, Any]) -> None:
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    more: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (ErrorAnswer, "serialization"),
        (CompletionChunk, "serialization"),
    ]
    _, ours = models_json_schema(more, ref_template=_SCHEMAS + "{model}")
    schemas |= ours["$defs"]
    components["securitySchemes"] = {
        _SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token for this agent, by IDaaS.",
        }
    }
    langserve = _langserve_bodies()
    for path, operations in made["paths"].items():
        if path in langserve:
            operations["post"]["requestBody"] = langserve[path]
            if path.endswith(_STREAMS):
                events = {"description": "LangServe's events.", "content": {"text/event-stream": EVENTS}}
                operations["post"]["responses"]["200"] = events
        for operation in operations.values():
            _complete_operation(operation, protected=path not in PUBLIC_PATHS)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def _langserve_bodies() -> dict[str, Any]:
    """What LangServe's routes take from a client. LangServe's own models list what has no effect here."""
    given = {
        "type": "object",
        "properties": {"messages": conversation_schema()},
        "required": ["messages"],
    }
    several = {"type": "array", "items": given, "minItems": 1, "maxItems": MAX_BATCH}
    bodies = {
        f"/agent/{within}{name}": {"inputs": several} if name == "batch" else {"input": given}
        for within in ("", "c/{config_hash}/")
        for name in ("invoke", "batch", *_STREAMS)
    }
    return {
        path: {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "properties": members, "required": list(members)}
                }
            },
        }
        for path, members in bodies.items()
    }


def _complete_operation(operation: dict[str, Any], *, protected: bool) -> None:
    responses: dict[str, Any] = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]  # FastAPI's own shape, which this app never answers
    operation["security"] = [{_SCHEME: []}] if protected else []
    errors = dict(_ERRORS) if protected else {}
    if operation.get("parameters"):
        errors[400] = _ERRORS_OF_BODIES[400]
    if protected and "requestBody" in operation:
        errors |= _ERRORS_OF_BODIES
    for status, description in errors.items():
        error = {"application/json": {"schema": {"$ref": f"{_SCHEMAS}{ErrorAnswer.__name__}"}}}
        answer = {"description": description, "content": error}
        if headers := _HEADERS.get(status):
            answer["headers"] = headers
        responses.setdefault(str(status), answer)
