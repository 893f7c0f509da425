"""The OpenAPI document of the app: what each route requires and may return, with the agent's error body.

Routes declare their own responses. What all have in common is added here: the access token and the errors.
"""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from agent.api.response_models import CompletionChunk, ErrorResponse, definitions, reference
from agent.api.surface import Surfaces

_SCHEME: Final = "access_token"
EVENTS: Final = {
    "schema": {"type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}}
}
"""Server-sent events, each as an object of its fields."""
_JSON: Final = [
    {"contentMediaType": "application/json", "contentSchema": reference(model)}
    for model in (CompletionChunk, ErrorResponse)
]
CHAT_EVENTS: Final = {
    "schema": {
        "type": "object",
        "properties": {"data": {"type": "string", "anyOf": [*_JSON, {"const": "[DONE]"}]}},
    }
}
"""The chat's events. The `data` of the last one is `[DONE]`, or an error body."""
_ERRORS: Final = {
    401: "The access token is missing or invalid. See `WWW-Authenticate`.",
    403: "The access token lacks the required scope.",
    404: "Not found.",
    405: "The path does not support this method.",
    429: "Too many requests to the agent or to a service. See `Retry-After`.",
    503: "IDaaS cannot be reached, or the agent is stopping or overloaded. See `Retry-After`.",
}
_ERRORS_OF_CHANGES: Final = {
    409: "The conversation has a run, waits for an approval or is full; or the answer does not fit."
}
_ERRORS_OF_BODIES: Final = {
    400: "The body is invalid; `param` names the member.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    422: "The body is invalid; `param` names the member.",
    502: "A credential was refused, or a service failed.",
    504: "The run exceeded its time limit.",
}
_ERROR: Final = {"application/json": {"schema": reference(ErrorResponse)}}
_CHALLENGE: Final = {
    "WWW-Authenticate": {"description": "RFC 6750, section 3.", "schema": {"type": "string"}}
}
_WAIT: Final = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
}
_HEADERS: Final = {401: _CHALLENGE, 403: _CHALLENGE, 429: _WAIT, 503: _WAIT}


def api_document(app: FastAPI, surfaces: Surfaces) -> Callable[[], dict[str, Any]]:
    """A replacement of `FastAPI.openapi`. The document is created at the first use."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            created = get_openapi(
                title=app.title, version="1", description=str(__doc__).splitlines()[0], routes=app.routes
            )
            _complete(created, surfaces)
            app.openapi_schema = created
        return app.openapi_schema

    return document


def _complete(document: dict[str, Any], surfaces: Surfaces) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    components["securitySchemes"] = {
        _SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token for this agent, issued by IDaaS.",
        }
    }
    for surface in surfaces.offered:
        surface.document(document["paths"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            protected = path not in surfaces.open_paths.readable
            _complete_operation(operation, protected=protected, changes=method != "get")
    schemas |= definitions()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def _complete_operation(operation: dict[str, Any], *, protected: bool, changes: bool) -> None:
    responses: dict[str, Any] = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]  # FastAPI's own body, which this app never returns
    operation["security"] = [{_SCHEME: []}] if protected else []
    errors = dict(_ERRORS) if protected else {}
    if parameters := operation.get("parameters"):
        errors[400] = _ERRORS_OF_BODIES[400]
        for parameter in parameters:
            parameter["schema"] = _without_null(parameter["schema"])
    if protected and changes:
        errors |= _ERRORS_OF_CHANGES
    if protected and "requestBody" in operation:
        errors |= _ERRORS_OF_BODIES
    for status, description in errors.items():
        response = {"description": description, "content": _ERROR}
        if headers := _HEADERS.get(status):
            response["headers"] = headers
        responses.setdefault(str(status), response)


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter, which may be absent and never is null: a query has only texts."""
    match schema:
        case {"anyOf": [dict(value), {"type": "null"}], **about}:
            return {**value, **about}
    return schema
