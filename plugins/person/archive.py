"""An archive of all that is kept about a person: a ZIP file, readable without the agent.

| entry | content |
|---|---|
| `inventory.json` | whose it is, how many rows and keys of each kind, and what is not in it |
| `tables/NAME.jsonl` | the rows of a table, one object a line, sealed values opened |
| `files/…` | the files of conversations, which `tables/files.jsonl` names |
| `events.jsonl` | the events that Redis has |
| `audit.jsonl` | the lines of the audit log in their name, as far as its present file has them |
"""

import base64
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.commands.audit import records
from agent.conversations.encryption.encryption import Encryption
from identity.principal import Principal
from identity.printable import rfc3339
from plugins.person.inventory import ERASED, KEPT, Table
from plugins.person.redis_person import RedisPerson
from plugins.person.stored_person import StoredPerson

_MODE: Final = 0o600
_COMPRESSED: Final = zipfile.ZIP_DEFLATED


@dataclass(frozen=True, slots=True)
class Archive:
    """Makes the archive of one person."""

    stored: StoredPerson
    encryption: Encryption
    redis: RedisPerson | None
    audit_file: Path | None

    async def write(self, path: Path, now: float) -> Mapping[str, Any]:
        """Writes a new file, readable by its owner alone, and returns its inventory. Nothing is left of an
        archive that was not finished.

        Raises `FileExistsError`, and what the database, Redis and files raise.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", _COMPRESSED) as archive:
                return await self._filled(archive, now)
        except BaseException:
            os.unlink(path)  # noqa: PTH108 - within a coroutine
            raise

    async def _filled(self, archive: zipfile.ZipFile, now: float) -> Mapping[str, Any]:
        person = self.stored.person
        tables = {table.name: await self._table(archive, table) for table in ERASED}
        inventory: dict[str, Any] = {
            "person": {"iss": person.issuer, "sub": person.subject},
            "made_at": rfc3339(now),
            "tables": tables,
            "redis": {} if self.redis is None else await self.redis.count(),
            "audit_lines": self._audit_lines(archive, person),
            "not_in_it": {kept.name: kept.why for kept in KEPT},
        }
        if self.redis is not None:
            threads = await self.stored.runs()
            events = [entry async for entry in self.redis.events(threads, self.encryption)]
            archive.writestr("events.jsonl", _lines(events))
        archive.writestr("inventory.json", _json(inventory, indent=2))
        return inventory

    async def _table(self, archive: zipfile.ZipFile, table: Table) -> int:
        rows: list[dict[str, object]] = []
        if await self.stored.database.exists():
            async for row in self.stored.rows(table):
                values = table.opened(row, self.encryption)
                if table.name == "files" and isinstance(content := values.pop("body"), bytes):
                    values["file"] = f"files/{len(rows) + 1}"
                    archive.writestr(str(values["file"]), content)
                rows.append({name: _readable(value) for name, value in values.items()})
        archive.writestr(f"tables/{table.name}.jsonl", _lines(rows))
        return len(rows)

    def _audit_lines(self, archive: zipfile.ZipFile, person: Principal) -> int:
        own = {"iss": person.issuer, "sub": person.subject}
        lines: list[dict[str, Any]] = []
        if self.audit_file is not None and self.audit_file.is_file():
            lines = [
                record for record in records(self.audit_file) if record and record.get("principal") == own
            ]
        archive.writestr("audit.jsonl", _lines(lines))
        return len(lines)


def _lines(rows: Iterable[Mapping[str, object]]) -> str:
    return "".join(f"{_json(row)}\n" for row in rows)


def _json(value: object, indent: int | None = None) -> str:
    """JSON that can be written as UTF-8: half a surrogate pair, which a client may send, is an escape."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def _readable(value: object) -> object:
    """A value as JSON: bytes are JSON or text if they can be read so, else base64."""
    if not isinstance(value, bytes):
        return value
    try:
        return json.loads(value)
    except ValueError:
        pass
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
