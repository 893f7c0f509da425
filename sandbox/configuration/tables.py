"""The tables of `sandbox.toml` and the form of their values, without what they refer to."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sandbox.ram import Statement

AccessIdentity = Literal["Machine", "Human"]

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
_Word = Annotated[str, StringConstraints(pattern=r"^[^\s|\"]{1,128}$")]
_Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Placement = Annotated[
    str, StringConstraints(pattern=r"^(?:Bearer|header:[A-Za-z0-9-]{1,64}|query:[A-Za-z0-9_.-]{1,64})$")
]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class UserTable(_Table):
    """`[users.NAME]`."""

    display_name: str | None = Field(None, min_length=1, max_length=64)
    permissions: list[str] = []
    password_env: _Variable | None = None


class ServiceTable(_Table):
    """`[services.NAME]`."""

    audience: _Word | None = None
    permissions: list[_Word] = []
    person: bool = False
    api_key: _Name | None = None
    jwt_provider: _Name | None = None
    placement: _Placement = "Bearer"


class CredentialTable(_Table):
    """`[credentials.IDENTIFIER]`."""

    value_env: _Variable | None = None
    readers: list[str] | None = None


class GrantTable(_Table):
    """One of `[[grants]]`."""

    scope: str
    to: list[str] = Field(min_length=1)
    access_identity: AccessIdentity | None = None


class ExecutionRoleTable(_Table):
    """`[execution_role]`."""

    policy: list[Statement]


class ConfigurationTable(_Table):
    """The whole file."""

    redirect_uris: list[str] = []
    users: dict[_Name, UserTable] = {}
    services: dict[_Name, ServiceTable] = {}
    credentials: dict[_Name, CredentialTable] = {}
    grants: list[GrantTable] = []
    execution_role: ExecutionRoleTable | None = None


def described(fault: Mapping[str, object]) -> str:
    """A fault of pydantic with its place as TOML names it; never the value."""
    place = ""
    located = fault["loc"]
    for step in located if isinstance(located, tuple) else ():
        if step != "[key]":
            place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
    kind, text = str(fault["type"]), str(fault["msg"])
    if kind == "extra_forbidden":
        text = "is unknown"
    elif kind == "string_pattern_mismatch":
        context = fault.get("ctx")
        text = f"must match {context['pattern'] if isinstance(context, dict) else ''}"
    elif kind == "missing":
        text = "is missing"
    return f"{place}: {text[:1].lower()}{text[1:]}"
