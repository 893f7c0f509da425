"""Questions of a tool's server to its user during a call (MCP elicitation): a flat form, or a URL to open.

https://modelcontextprotocol.io/specification/2026-07-28/client/elicitation
"""

import json
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from identity.printable import printable
from identity.secrets.secret import Secret
from tools.arguments.fault import ArgumentFault
from tools.arguments.validator import BoundedValidator
from tools.secret_question import asks_for_secret, texts_of

_MAX_QUESTIONS: Final = 4
"""Questions of one result, which are asked one after another."""
_MAX_KEY: Final = 256
"""Characters of the server's name for a question."""
_MAX_MESSAGE: Final = 2_000
_MAX_FIELDS: Final = 32
_MAX_SCHEMA: Final = 16_384
"""Characters of a schema, and of the content of an answer."""
_MAX_URL: Final = 2_048
_URL: Final = re.compile(
    r"https://((?:[\w-]+\.)*[a-z][\w-]*\.?)(:\d{1,5})?([/?#][\w:/?#@!$&'()*+,;=%~.\[\]-]*)?",
    re.ASCII | re.IGNORECASE,
)
"""RFC 3986, with a host that no browser reads as another one: no `\\`, no escapes, no `@`, no number."""
_NESTING: Final = {"$ref", "$dynamicRef", "allOf", "anyOf", "not", "if", "items", "properties"}
_SAMPLES: Final[Mapping[str, Any]] = {"number": 0, "integer": 0, "boolean": False, "array": []}
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class InputRequired:
    """The call goes on when its user has answered `questions`, which have the server's keys; each is JSON, as
    `question_of` returns it. `state` returns to the server unchanged: the model and people do not see it.
    `rounds` counts the requests of the call so far.
    """

    questions: Mapping[str, Mapping[str, Any]]
    state: Secret | None = None
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers with which a call goes on: `responses` by the server's keys, in the protocol's form.
    Without any, the call begins, and its user can be asked.
    """

    responses: Mapping[str, Any] = field(default_factory=dict)
    state: Secret | None = None
    rounds: int = 0


ANSWERED: Final[ContextVar[Answered | None]] = ContextVar("idaas_agent.answered", default=None)
"""For a service, during a call, which the graph makes in its own task; `None`: no person can be asked."""


def questions_of(requests: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The questions of a result (`question_of`). Raises `ValueError`, also for none and for too many."""
    if not 1 <= len(requests) <= _MAX_QUESTIONS or max(map(len, requests)) > _MAX_KEY:
        raise ValueError("none, or too many questions")
    return {key: question_of(request) for key, request in requests.items()}


def question_of(request: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """A question as it is asked and kept: `mode`, `message`, and either `schema`, or `url` with its `host`.

    Raises `ValueError` unless `request` is an elicitation with a form that is flat and asks for no secret, or
    with a URL of https.
    """
    match request:
        case {"method": "elicitation/create", "params": {"message": str(message), **params}}:
            message = message[:_MAX_MESSAGE]
            printable_message = printable(message)[:_MAX_MESSAGE]
        case _:
            raise ValueError("not an elicitation")
    match params.get("mode", "form"), params:
        case "form", {"requestedSchema": dict(schema)}:
            flat = _flat(schema)
            if asks_for_secret([message, *texts_of(schema)]):
                raise ValueError("a form that asks for a secret")
            return {"mode": "form", "message": printable_message, "schema": flat}
        case "url", {"url": str(url)} if len(url) <= _MAX_URL and (parts := _URL.fullmatch(url)):
            return {"mode": "url", "message": printable_message, "url": url, "host": parts[1].lower()}
    raise ValueError("neither a form nor a URL of https")


def _flat(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema`, which takes no other members. Raises `ValueError`."""
    fields = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(fields, dict):
        raise ValueError("a form that is no object")
    text = json.dumps(schema, ensure_ascii=False)
    unfit = len(fields) > _MAX_FIELDS or len(text) > _MAX_SCHEMA or printable(text) != text
    if unfit or not all(map(_is_flat, fields.values())):
        raise ValueError("a form that is not flat, too large, or not printable")
    flat = {**schema, "additionalProperties": False}
    try:
        is_valid = fields.keys() >= set(schema.get("required", ()))
        BoundedValidator(flat)
    except Exception:  # noqa: BLE001 - the library raises many kinds for a schema from outside
        is_valid = False
    if not is_valid or schema.keys() & _NESTING - {"properties"}:
        raise ValueError("a form whose schema is not valid")
    return flat


def _is_flat(field: Any) -> bool:  # noqa: ANN401 - any JSON value
    match field:
        case {"type": "array", "items": {"enum": [*_]} | {"anyOf": [*_]}}:
            nesting = _NESTING - {"items"}
            choices = field["items"].get("anyOf", [])
        case {"type": "string" | "number" | "integer" | "boolean"}:
            nesting = _NESTING
            choices = field.get("oneOf", [])
        case _:
            return False
    texts = [field.get("title", ""), field.get("description", "")]
    if not isinstance(choices, list) or not field.keys().isdisjoint(nesting):
        return False
    for choice in choices:
        if not isinstance(choice, dict) or not choice.keys() <= {"const", "title"}:
            return False
        texts += [choice.get("const"), choice.get("title", "")]
    return all(isinstance(text, str) for text in texts) and field.get("format") in (None, *_FORMATS)


def defaults(question: Mapping[str, Any], *, samples: bool = False) -> dict[str, Any]:
    """The values that a form begins with; with `samples`, one of its type for each other field but texts."""
    properties = question.get("schema", {}).get("properties", {})
    values: dict[str, Any] = {}
    for name, schema in properties.items():
        if "default" in schema:
            values[name] = schema["default"]
        elif samples:
            values[name] = _SAMPLES.get(schema["type"])
    return values


def content_faults(question: Mapping[str, Any], content: Mapping[str, Any]) -> list[ArgumentFault]:
    """Why `content` does not answer the form of `question`. A URL is answered without content."""
    if question["mode"] != "form":
        return [ArgumentFault(next(iter(content)), "the question takes no content")] if content else []
    if len(json.dumps(content)) > _MAX_SCHEMA:
        return [ArgumentFault("", f"more than {_MAX_SCHEMA} characters")]
    faults = BoundedValidator(question["schema"]).faults(content)
    if faults:
        return faults
    properties = question["schema"]["properties"]
    for name, value in content.items():
        form = properties[name].get("format")
        if form and not _has_format(form, value):
            faults.append(ArgumentFault(name, f"not in the format {form}"))
    return faults


def _has_format(name: str, value: str) -> bool:
    try:
        return bool(_FORMATS[name](value))
    except ValueError:
        return False


_FORMATS: Final[Mapping[str, Any]] = {
    "email": _EMAIL.fullmatch,
    "uri": lambda value: urlsplit(value).scheme and not re.search(r"\s", value),
    "date": lambda value: len(value) == 10 and date.fromisoformat(value),
    "date-time": lambda value: "T" in value.upper() and datetime.fromisoformat(value).tzinfo,
}
