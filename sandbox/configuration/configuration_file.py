"""`sandbox.toml` as a file: reading it, and adding to it without losing comments and order."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import tomlkit
from tomlkit.container import OutOfOrderTableProxy
from tomlkit.exceptions import ParseError
from tomlkit.items import AoT, Table

from sandbox.configuration.configuration import Configuration, ConfigurationFaultsError, parse_configuration
from sandbox.generated_secrets import kept_added_secret, new_api_key, new_client_secret, new_password

FILE = Path("sandbox.toml")
_HEADER = "What this project adds to the sandbox; sandbox/README.md explains it."

_NO_BLANK_LINE = re.compile(r"^(?!#)(.+)\n(?=\[)", re.MULTILINE)
"""Before a table; a comment stays where it is, above its table."""


class AlreadyThereError(Exception):
    """The table or value that was to be added is in the file already."""


@dataclass(frozen=True, slots=True)
class SandboxFile:
    """The file at `path`, which adds to the one at `base`. Its `value_env`, `password_env` and `secret_env`
    are looked up in `variables`.
    """

    path: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    base: Path | None = None

    def read(self) -> Configuration:
        """What the files describe, nothing if there is no file. Raises `ConfigurationFaultsError`."""
        base = _text(self.base) if self.base else ""
        return parse_configuration(_text(self.path), self.variables, base=base)


def with_secrets(configuration: Configuration, folder: Path) -> Configuration:
    """The configuration with passwords, secrets and API keys that are generated once and kept in `folder`."""
    users = (
        replace(u, password=u.password or kept_added_secret(folder, f"users.{u.name}", new_password()))
        for u in configuration.users
    )
    credentials = (
        replace(c, value=c.value or kept_added_secret(folder, f"credentials.{c.identifier}", new_api_key()))
        for c in configuration.credentials
    )
    clients = (
        replace(
            client,
            secret=client.secret
            or kept_added_secret(folder, f"clients.{client.client_id}", new_client_secret()),
        )
        for client in configuration.clients
    )
    return replace(configuration, users=tuple(users), clients=tuple(clients), credentials=tuple(credentials))


class SandboxFileEditor:
    """Adds to the file at `path`, which itself adds to the one at `base`; `save` checks the whole and writes
    it, in one step.

    Raises `ConfigurationFaultsError` if the file cannot be read or is not TOML.
    """

    def __init__(self, path: Path, base: Path | None = None) -> None:
        self._path = path
        self._base = _text(base) if base else ""
        try:
            self._document = tomlkit.parse(_text(path) or f"# {_HEADER}\n")
        except ParseError as error:
            raise ConfigurationFaultsError((f"not TOML: {error}",)) from None

    def add_table(self, kind: str, name: str, values: Mapping[str, object]) -> None:
        """`[kind.name]` with those of the values that are not empty. Raises `AlreadyThereError`."""
        parent = self._document.get(kind)
        if parent is None:
            parent = tomlkit.table(is_super_table=True)
            self._document.add(kind, parent)
        if not isinstance(parent, Table | OutOfOrderTableProxy):
            raise ConfigurationFaultsError((f"{kind}: must be a table",))
        if name in parent:
            text = f"[{kind}.{name}] is there already"
            raise AlreadyThereError(text)
        parent[name] = _table(values)

    def add_grant(self, values: Mapping[str, object]) -> None:
        """One more `[[grants]]`. Raises `AlreadyThereError` if there is the same."""
        grants = self._document.get("grants")
        table = _table(values)
        if grants is None:
            grants = tomlkit.aot()
            self._document.add("grants", grants)
        if not isinstance(grants, AoT):
            raise ConfigurationFaultsError(("grants: must be written as [[grants]]",))
        if any(grant.unwrap() == table.unwrap() for grant in grants):
            raise AlreadyThereError("this grant is there already")
        grants.append(table)

    def add_redirect_uri(self, uri: str) -> None:
        """One more of `redirect_uris`, which stands before the first table."""
        uris = self._document.get("redirect_uris")
        if uris is not None and uri in uris:
            raise AlreadyThereError("this redirect URI is there already")
        self._document["redirect_uris"] = [*(uris or ()), uri]

    def save(self) -> Configuration:
        """Writes the file and answers what it says. Raises `ConfigurationFaultsError` if that is wrong."""
        text = _NO_BLANK_LINE.sub(r"\1\n\n", tomlkit.dumps(self._document))
        configuration = parse_configuration(text, base=self._base)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        if self._path.exists():
            draft.chmod(self._path.stat().st_mode & 0o777)
        draft.replace(self._path)
        return configuration


def _text(path: Path) -> str:
    """The file's text, empty if there is no file. Raises `ConfigurationFaultsError` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationFaultsError((f"cannot be read: {type(error).__name__}",)) from None


def _table(values: Mapping[str, object]) -> Table:
    table = tomlkit.table()
    for name, value in values.items():
        if value not in (None, [], {}, False):
            table.add(name, value)
    return table
