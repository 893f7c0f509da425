"""Types and validators of variables that several groups of settings share."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf

from identity.idaas.client_authentication.metadata_service import METADATA_ENDPOINT
from identity.secrets.secret import Secret
from identity.transport.secure_url import is_secure_url

_PLATFORM: Final = urlsplit(METADATA_ENDPOINT).hostname


class VariableGroup(BaseModel):
    """A group of variables, and its `heading` in docs/configuration.md.

    A field's variable is its name in capitals; the text below the field is its description there.
    """

    # Only the class that joins the groups validates, so no validator of one group is built.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    heading: ClassVar[str] = ""

    @classmethod
    def missing_faults(cls, given: Mapping[str, str]) -> dict[str, str]:
        """The faults of variables that must be set and are not, by their fields. `given` are those that are
        set, in lower case.
        """
        required = (name for name, field in cls.model_fields.items() if field.is_required())
        return {name: f"{name.upper()} must be set" for name in required if name not in given}

    @staticmethod
    def combination_faults(_given: Mapping[str, str]) -> Iterator[str]:
        """Faults of variables that depend on each other, by the given variables in lower case."""
        yield from ()

    @staticmethod
    def place_faults(_given: Mapping[str, str]) -> Iterator[str]:
        """Faults of serving on this machine. A package is made elsewhere with the same variables."""
        yield from ()


def local_url(value: str) -> str:
    """Plain http is allowed to the platform's own address and to this machine, and nowhere else."""
    parts = urlsplit(value)
    platform = value.isascii() and parts.scheme == "http" and parts.netloc == _PLATFORM
    if parts.fragment or not (platform or is_secure_url(value)):
        detail = f"must be https, or http to {_PLATFORM} or a loopback address"
        raise ValueError(detail)
    return value


def holds(check: Callable[[], bool]) -> bool:
    """`check()`, or false if the path is not usable, such as a name that is too long."""
    try:
        return check()
    except OSError:
        return False


def parsed_by(parse: Callable[[str], object]) -> BeforeValidator:
    """The value is what `parse` makes of a variable's text. It raises `ValueError` with what it must be."""

    def parsed(value: object) -> object:
        return parse(value) if isinstance(value, str) else value

    return BeforeValidator(parsed)


def checked_by(check: Callable[[Any], object]) -> AfterValidator:
    """The value must be one for which `check` raises no `ValueError`; it stays as it is."""

    def checked(value: object) -> object:
        check(value)
        return value

    return AfterValidator(checked)


def set_together(given: Mapping[str, str], *names: str) -> Iterator[str]:
    """A fault if some of `names` are given, and others are not."""
    if len({name in given for name in names}) > 1:
        *first, last = map(str.upper, names)
        yield f"{', '.join(first)} and {last} must be set together, or not at all"


def missing_together(given: Mapping[str, str], *names: str) -> dict[str, str]:
    """The fault of `set_together`, by the names that are not given."""
    missing = [name for name in names if name not in given]
    return {name: fault for fault in set_together(given, *names) for name in missing}


def existing_file(value: Path) -> Path:
    """A path that leads to a file now."""
    if not holds(value.is_file):
        raise ValueError("must name a file, and there is none")
    return value


def secret_in_file(path: str) -> Secret:
    """The content of a file with one line, as a `Secret`."""
    try:
        text = Path(path).read_text("ascii").strip()
    except (OSError, ValueError):
        text = ""
    if not text or not text.isprintable() or " " in text:
        raise ValueError("must name a readable file with one line of ASCII, without spaces")
    return Secret(text)


def _secret(value: str) -> Secret:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be ASCII without spaces")
    return Secret(value)


def listed(value: str) -> tuple[str, ...]:
    """The parts of a text that are separated by commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


lower_case: Final = parsed_by(str.lower)
secret_value: Final = parsed_by(_secret)
"""Turns a text into a `Secret`."""

TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
"""The texts that pydantic reads as true."""


def _secure_url(value: str) -> str:
    parts = urlsplit(value)
    if not is_secure_url(value) or "#" in value:
        raise ValueError("must be an https URL (http to a loopback address only), without user and fragment")
    return value.rstrip("/") if parts.path == "/" else value


Url = Annotated[str, AfterValidator(_secure_url)]
Word = Annotated[str, Field(min_length=1, pattern=r"^\S+$")]
SecretInFile = Annotated[InstanceOf[Secret], parsed_by(secret_in_file)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
