"""No serializer of the stack shows a secret, nor a value that contains one."""

import copy
import dataclasses
import inspect
import io
import json
import pickle
import pprint
import traceback
from typing import Any

import orjson
import pytest
from fastapi.encoders import jsonable_encoder
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langsmith._internal._serde import dumps_json
from pydantic import BaseModel, TypeAdapter
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import ApiKeyRequirement, Credential
from identity.idaas.client_authentication.own_credential import ClientSecretPost
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import REDACTED, Secret
from identity.secrets.secret_file import FixedSecret

CANARY = "sk-canary-5f0c9d7e"


class Model(BaseModel):
    secret: Secret


@dataclasses.dataclass
class Carrier:
    secret: Secret


def verified() -> VerifiedAccessToken:
    return assume_verified(
        principal=Principal("iss", "sub"),
        audience=("aud",),
        scopes=frozenset(),
        expires_at=1.0,
        fingerprint="00",
        token=Secret(CANARY),
    )


HOLDERS: dict[str, Any] = {
    "secret": lambda: Secret(CANARY),
    "list": lambda: [Secret(CANARY)],
    "dict": lambda: {"secret": Secret(CANARY)},
    "model": lambda: Model(secret=Secret(CANARY)),
    "dataclass": lambda: Carrier(Secret(CANARY)),
    "credential": lambda: Credential(ApiKeyRequirement("llm"), AccessIdentity.MACHINE, Secret(CANARY), 1.0),
    "verified access token": verified,
    "issued token": lambda: IssuedCredential(Secret(CANARY), 1.0),
    "client secret": lambda: ClientSecretPost("app", FixedSecret(Secret(CANARY))),
}

SHOWS: dict[str, Any] = {
    "repr": repr,
    "str": str,
    "format": format,
    "f-string": lambda holder: f"{holder} {holder!r} {holder!s}",
    "percent": lambda holder: "%s %r" % (holder, holder),  # noqa: UP031 - the form under test
    "pprint": pprint.pformat,
    "rich": pretty_repr,
    "attributes": lambda holder: repr(inspect.getmembers(holder)),
    "vars": lambda holder: repr(getattr(holder, "__dict__", None)),
    "json default=str": lambda holder: json.dumps(holder, default=str),
    "orjson": lambda holder: orjson.dumps(holder, default=lambda value: jsonable_encoder(value)),
    "jsonable_encoder": lambda holder: json.dumps(jsonable_encoder(holder)),
    "pydantic json": lambda holder: TypeAdapter(Any).dump_json(holder),
    "pydantic python": lambda holder: repr(TypeAdapter(Any).dump_python(holder)),
    "checkpoint": lambda holder: JsonPlusSerializer().dumps_typed(holder)[1],
    "langsmith": dumps_json,
}


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize("holder", HOLDERS)
def test_no_serializer_shows_the_value(holder: str, show: str) -> None:
    try:
        shown = SHOWS[show](HOLDERS[holder]())
    except (TypeError, ValueError) as refusal:  # a serializer may refuse it, without its value
        shown = str(refusal)
    text = shown.decode("utf-8", "replace") if isinstance(shown, bytes) else shown
    assert CANARY not in text
    assert CANARY.encode().hex() not in text


def test_model_dump_is_empty() -> None:
    secret = Secret(CANARY)
    assert secret.model_dump() == {}
    assert secret.model_dump_json() == "{}"
    assert CANARY not in repr(secret.__getstate__())
    assert CANARY not in json.dumps(Model.model_json_schema())


def test_every_text_form_is_the_constant() -> None:
    secret = Secret(CANARY)
    assert {str(secret), repr(secret), f"{secret}", f"{secret:>40}", f"{secret!s}"} == {REDACTED}


@pytest.mark.parametrize("holder", HOLDERS)
def test_pickling_is_refused(holder: str) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(HOLDERS[holder]())


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, Secret.model_copy])
def test_copy_is_the_same_object(copied: Any) -> None:
    secret = Secret(CANARY)
    assert copied(secret) is secret


def test_asdict_of_a_dataclass_contains_the_same_secret_object() -> None:
    credential = HOLDERS["credential"]()
    assert dataclasses.asdict(credential)["secret"] is credential.secret


def test_secrets_are_equal_by_value_and_to_nothing_else() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert len({Secret(CANARY), Secret(CANARY)}) == 1
    assert Secret("\ud800") != Secret(CANARY)


def test_secret_is_immutable() -> None:
    with pytest.raises(AttributeError):
        setattr(Secret(CANARY), "_reveal", lambda: "other")  # noqa: B010 - the refusal is under test


def test_traceback_with_local_variables_shows_the_constant() -> None:
    def fail(secret: Secret) -> None:
        raise RuntimeError(secret)

    try:
        fail(Secret(CANARY))
    except RuntimeError as error:
        plain = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        console = Console(record=True, width=200, file=io.StringIO())
        console.print(Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True))
    rich = console.export_text()
    # The constant `CANARY` of this module would show if a frame had it as a local; none has.
    assert "fail" in plain
    assert CANARY not in plain
    assert CANARY not in rich
