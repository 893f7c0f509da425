"""Bodies that are JSON, and the first fault of one in OpenAI's terms: the path of the member, a stable code,
expected and found.

An error repeats numbers of the body, and no other value.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.errors.error_response import RequestError
from identity.printable import cut
from identity.strict_json import read_value

M = TypeVar("M", bound=BaseModel)
NO_JSON: Final = "The body is not valid JSON"

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "activity", "reasoning"})
_UNIONS: Final = frozenset({"content", "stop", "tool_choice", "function_call"})
_EXPECTED: Final = {
    "string_type": "a string",
    "bool_type": "a boolean",
    "int_type": "an integer",
    "float_type": "a number",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
_BOUNDS: Final = {"greater_than_equal": "at least", "less_than_equal": "at most", "less_than": "less than"}
_KINDS: Final = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


class Body(BaseModel):
    """Nothing is converted, and no other member is accepted: `"10"` is not a number."""

    model_config = ConfigDict(strict=True, extra="forbid")


def json_value(body: bytes, fault: Exception) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of a body. Raises `fault`."""
    try:
        return read_value(body)
    except ValueError:
        raise fault from None


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body. Raises `RequestError`."""
    fault = RequestError(None, "the body must be a JSON object")
    value = json_value(body, fault)
    if not isinstance(value, dict):
        raise fault
    return value


def validated(model: type[M], value: object) -> M:
    """`value` as `model`. Raises `RequestError` with the first fault and OpenAI's code. 400."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fault: Mapping[str, Any] = error.errors(include_url=False)[0]
    path = member_path(fault["loc"])
    if fault["type"].startswith("union_tag"):
        path = f"{path}.role"
    raise _refusal(path, fault)


def read_body(model: type[M], body: bytes) -> M:
    """Validates a body. An absent body is an empty object. Raises `RequestError`."""
    return validated(model, json_object(body or b"{}"))


def parameter_fault(error: RequestValidationError) -> RequestError:
    """The first fault of a request's path, query or headers, found by FastAPI. 400; of a body, 422."""
    fault: Mapping[str, Any] = error.errors()[0]
    status = 422 if fault["loc"][0] == "body" else 400
    return _refusal(member_path(fault["loc"][1:]), fault, status)


def _refusal(path: str, fault: Mapping[str, Any], status: int = 400) -> RequestError:
    code, problem = _described(fault["type"], fault.get("ctx", {}), fault.get("input"), fault["msg"])
    return RequestError(path or None, problem, code=code, status=status)


def member_path(steps: Iterable[int | str]) -> str:
    """The path of a member, such as `messages[0].content`, without the names of union variants that pydantic
    adds."""
    path = ""
    before: int | str | None = None
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step != "[key]" and not isinstance(before, int) and before not in _UNIONS:
            path += f".{step[:64]}" if path else step[:64]
        elif isinstance(before, int) and step not in _ROLES:
            path += f".{step[:64]}"
        before = step
    return path


def _described(kind: str, context: Mapping[str, Any], value: object, text: str) -> tuple[str, str]:
    if kind in _EXPECTED:
        return "invalid_type", f"expected {_EXPECTED[kind]}, found {_KINDS.get(type(value), 'another type')}"
    match kind:
        case "missing":
            return "missing_required_parameter", "must be given"
        case "union_tag_not_found":
            return "missing_required_parameter", "must be given, in an object"
        case "extra_forbidden":
            return "unknown_parameter", "there is no such parameter"
        case "greater_than_equal" | "less_than_equal" | "less_than":
            return _out_of_range(kind, next(iter(context.values())), value)
        case "too_long" | "string_too_long":
            most = context["max_length"]
            what = {"List": "array", "Dictionary": "object"}.get(context.get("field_type", ""), "string")
            of = "properties" if what == "object" else "length"
            return f"{what}_above_max_{of}", f"expected at most {most}, found more"
        case "too_short":
            return "empty_array", "expected at least one, found none"
        case "string_too_short":
            return "empty_string", "expected at least one character, found none"
        case "literal_error":
            return "invalid_value", f"expected {context['expected']}"
        case "union_tag_invalid":
            return "invalid_value", f"expected one of {context['expected_tags']}"
        case _:
            return "invalid_value", f"{text[:1].lower()}{text[1:]}"


def _out_of_range(kind: str, bound: float, value: object) -> tuple[str, str]:
    number = "decimal" if isinstance(bound, float) else "integer"
    below = kind == "greater_than_equal"
    word = _BOUNDS[kind]
    code = f"{number}_below_min_value" if below else f"{number}_above_max_value"
    return code, f"expected {word} {bound:g}, found {_short(value)}"


def _short(number: object) -> str:
    return cut(str(number), 24)
