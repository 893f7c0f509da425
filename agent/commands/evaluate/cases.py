"""The file of cases. `docs/evaluate.md` has an example, and says what each member means."""

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_MAX_BYTES: Final = 1024 * 1024


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptedCall(_Table):
    """A call of a scripted model."""

    call: str
    arguments: dict[str, Any] = {}


Turn = Annotated[str | ScriptedCall | list[ScriptedCall], Field(union_mode="left_to_right")]
"""A scripted model says a text, or makes one call or several."""


class Response(_Table):
    """A response of a service: JSON, or a text."""

    status: Annotated[int, Field(ge=200, le=599)] = 200
    json_: Annotated[Any, Field(alias="json")] = None
    text: str | None = None
    is_error: bool = False

    @model_validator(mode="after")
    def _one_body(self) -> "Response":
        if self.json_ is not None and self.text is not None:
            raise ValueError("must have json or text, not both")
        return self


class Expected(_Table):
    """The outcome that a case must have. What is not set is not compared."""

    calls: list[str] | None = None
    asked: list[str] | None = None
    rights: list[str] | None = None
    answer: list[str] = []
    not_in_answer: list[str] = []
    max_model_requests: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = None


class Case(_Table):
    """A conversation of one user, and what is expected of it."""

    name: Annotated[str, Field(min_length=1)]
    user: Annotated[str, Field(min_length=1)] = "user"
    claims: dict[str, str | list[str]] = {}
    questions: Annotated[list[str], Field(min_length=1)]
    approves: bool = True
    model: Annotated[list[Turn], Field(min_length=1)] | None = None
    responses: dict[str, list[Response]] = {}
    expect: Expected


class Cases(_Table):
    """The whole file. Paths are relative to it."""

    services: str = "services.toml"
    graph: str | None = None
    system_prompt: str | None = None
    recorded: str | None = None
    listed: dict[str, str] = {}
    variables: dict[str, str] = {}
    cases: Annotated[list[Case], Field(min_length=1)]


class CaseFaultsError(Exception):
    """The file, or a file that it names, is wrong. `faults` has each place."""

    def __init__(self, faults: Collection[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def read_cases(path: Path) -> Cases:
    """The cases of a file. Raises `CaseFaultsError` with all faults."""
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CaseFaultsError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CaseFaultsError([f"{path}: is not TOML: {error}"]) from None
    try:
        cases = Cases.model_validate(given)
    except ValidationError as error:
        raise CaseFaultsError([f"{path}: {_described(fault)}" for fault in error.errors()]) from None
    names = [case.name for case in cases.cases]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CaseFaultsError([f'{path}: two cases have the name "{name}"' for name in twice])
    return cases


def _described(fault: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    place = ""
    for step in fault["loc"]:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
    if fault["type"] == "extra_forbidden":
        return f"{place} is unknown"
    if fault["type"] == "missing":
        return f"{place} must be set"
    text = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {text[:1].lower()}{text[1:]}"
