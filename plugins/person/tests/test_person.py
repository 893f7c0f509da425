"""A person is exported and erased whole, and nobody else: in both databases, in Redis, after a crash."""

import asyncio
import base64
import json
import os
import re
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from agent.commands.command_line import app
from agent.conversations.database.database import Database, Transaction, query
from agent.conversations.database.postgres_connections import SCHEMA
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.storage import ConversationStorage
from agent.conversations.thread import owner_digest
from agent.http.rate_limit import RequestRate
from agent.redis import SharedRedis
from agent.runs.event_stream import ENTRY, EventEntry, StreamKeys
from agent.runs.run_limits import places_key
from agent.settings.settings import read_command_settings
from identity.secrets.secret import Secret
from plugins.person.inventory import (
    ERASED,
    KEPT,
    OF_OWNERS,
    OF_THREADS,
    REDIS_KEYS,
    REVOCATIONS,
    STOP_REPORTS,
    WITHOUT_PEOPLE,
)
from plugins.person.stored_person import StoredPerson
from tests.agent.conftest import NewDatabase
from tests.agent.conversations.encryption.test_places import KEYS, filled
from tests.graph.approvals.conftest import ALICE, BOB, NOW
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("threads-are-private")

ROOT = Path(__file__).parents[3]
AUDIENCE = "https://agent.example"
OF_ALICE, OF_BOB = owner_digest(ALICE), owner_digest(BOB)
ENCRYPTION = Encryption(KEYS)
ON_SQLITE = pytest.mark.parametrize("operator", ["sqlite"], indirect=True)
"""What does not depend on the database."""


async def fill(storage: ConversationStorage) -> None:
    """Alice and Bob have something in each table, and Alice is revoked."""
    await filled(storage)

    def counted() -> Transaction[None]:
        for owner in (OF_ALICE, OF_BOB):
            body = ENCRYPTION.seal(b"100", "counted", owner, f"c-{owner}")
            sql = (
                "INSERT INTO counted_calls (id, owner, tool, day, amount, body) VALUES (?, ?, 'pay', ?, 1, ?)"
            )
            yield from query(sql, f"c-{owner}", owner, "a day", body)
            yield from query("INSERT INTO call_totals VALUES ('a day', ?, 'pay', 1, 1)", owner)
            body = ENCRYPTION.seal(b'{"amount": "500"}', "raise", owner, f"r-{owner}")
            sql = "INSERT INTO budget_raises VALUES (?, 'a day', ?, ?, 'leads', 'open', ?)"
            yield from query(sql, f"r-{owner}", owner, owner, body)
            yield from query("INSERT INTO budget_notices VALUES ('a day', ?, ?, 'a limit')", owner, owner)
            yield from query("INSERT INTO model_usage VALUES ('a day', ?, 'qwen-plus', 7, 5)", owner)
            body = ENCRYPTION.seal(b'{"calls": 1}', "count", owner, f"d-{owner}")
            yield from query("INSERT INTO day_counts VALUES ('a day', ?, ?, ?)", f"d-{owner}", owner, body)
        sql = "INSERT INTO revocations VALUES ('user', 'operator', ?, NULL, 1, 1)"
        yield from query(sql, ALICE.subject)
        for term, owner in ((b"term of alice", OF_ALICE), (b"term of bob", OF_BOB)):
            sql = "INSERT INTO runs SELECT key, 'seen', owner, 'idle', NULL, 1, NULL, 1, 1, 1 FROM threads"
            yield from query(f"{sql} WHERE owner = ? AND id = 't'", owner)
            sql = "INSERT INTO terms SELECT key, ? FROM threads WHERE owner = ? AND id = 't'"
            yield from query(sql, term, owner)

    await storage.database.write(counted)


@dataclass
class Operator:
    """Types `person`, with the variables of a database that has two people."""

    folder: Path
    variables: dict[str, str]

    def types(self, *words: str, **others: str) -> Result:
        given = ["person", *words, "--issuer", ALICE.issuer]
        environment: dict[str, Any] = {"COLUMNS": "500", **self.variables, **others}
        return CliRunner().invoke(app, given, env=environment)

    def erases(self, subject: str = ALICE.subject, **others: str) -> Result:
        return self.types("erase", "--subject", subject, "--yes", **others)

    def with_storage(self, work: Callable[[ConversationStorage], Any]) -> Any:
        async def done() -> Any:
            storage = ConversationStorage.of(read_command_settings(self.variables), lambda: NOW)
            assert storage is not None
            try:
                return await work(storage)
            finally:
                await storage.aclose()

        return asyncio.run(done())

    def rows(self) -> dict[str, list[str]]:
        """All rows of all tables."""

        async def read(storage: ConversationStorage) -> dict[str, list[str]]:
            found = {}
            for name in [*(table.name for table in ERASED), REVOCATIONS.name]:
                sql = f"SELECT * FROM {name}"  # noqa: S608 - constants
                rows = await storage.database.read(lambda sql=sql: query(sql))
                found[name] = sorted(map(repr, rows))
            return found

        result: dict[str, list[str]] = self.with_storage(read)
        return result

    def records(self) -> list[dict[str, Any]]:
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        return [record for line in lines if "person" in (record := json.loads(line))["event"]]


@pytest.fixture(params=["sqlite", "postgresql"])
def operator(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Operator:
    url = f"sqlite:///{tmp_path}/conversations.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").url
    key_file = tmp_path / "key"
    key_file.write_text(base64.urlsafe_b64encode(bytes(range(32))).decode())
    variables = {
        "CLOUD_IDAAS_CONFIG_PATH": sandbox.environment["CLOUD_IDAAS_CONFIG_PATH"],
        "CONVERSATIONS_URL": url,
        "CONVERSATIONS_KEY_FILE": str(key_file),
        "AUDIT_LOG_FILE": str(tmp_path / "audit.jsonl"),
        "AGENT_AUDIENCE": AUDIENCE,
        "REDIS_URL": "",
    }
    made = Operator(tmp_path, variables)
    made.with_storage(fill)
    return made


def bobs(rows: dict[str, list[str]], operator: Operator) -> dict[str, list[str]]:
    """The rows after Alice was erased."""

    async def keys(storage: ConversationStorage) -> set[int]:
        found = await storage.database.read(lambda: query("SELECT key FROM threads WHERE owner = ?", OF_BOB))
        return {key for [key] in found}

    [key] = operator.with_storage(keys)
    begins = f"({key}, "
    return {
        name: [row for row in of_table if OF_BOB in row or row.startswith(begins) or name == REVOCATIONS.name]
        for name, of_table in rows.items()
    }


def test_erasure_takes_all_of_one_person_and_nothing_of_another(operator: Operator) -> None:
    before = operator.rows()
    assert all(before.values()), "each table has something"
    result = operator.erases()
    assert result.exit_code == 0, result.output
    after = operator.rows()
    assert after == bobs(before, operator)
    assert all(after.values()), "Bob has something in each"
    assert OF_ALICE not in str(after)
    for kept in KEPT:
        assert kept.name in result.output
    assert "1 revocations name the person" in result.output


@ON_SQLITE
def test_erasure_is_on_record_without_the_name(operator: Operator) -> None:
    assert operator.erases().exit_code == 0
    records = operator.records()
    assert [(record["event"], record["outcome"]) for record in records] == [
        ("person_erased", "started"),
        ("person_erased", "succeeded"),
    ]
    assert {record["client"] for record in records} == {"operator"}
    text = (operator.folder / "audit.jsonl").read_text()
    assert ALICE.subject not in text
    assert len({record["arguments_digest"] for record in records}) == 1
    operator.types("export", "--subject", BOB.subject, "--to", str(operator.folder / "bob.zip"))
    assert operator.records()[2]["arguments_digest"] != records[0]["arguments_digest"]


@ON_SQLITE
def test_subject_of_whom_nothing_is_kept_is_named(operator: Operator) -> None:
    for words in (["erase", "--yes"], ["export", "--to", str(operator.folder / "carol.zip")]):
        result = operator.types(*words, "--subject", "carol")
        assert (result.exit_code, 'nothing is kept about "carol"' in result.output) == (1, True)
    other = CliRunner().invoke(
        app,
        ["person", "erase", "--subject", ALICE.subject, "--issuer", "https://other.example", "--yes"],
        env=operator.variables,
    )
    assert other.exit_code == 1
    assert not (operator.folder / "carol.zip").exists()
    assert OF_ALICE in str(operator.rows())


@ON_SQLITE
def test_erasure_that_cannot_be_recorded_erases_nothing(operator: Operator) -> None:
    result = operator.erases(AUDIT_REQUIRED="true", AUDIT_LOG_FILE="/dev/full")
    assert (result.exit_code, "not complete" in result.output) == (1, True), result.output
    assert OF_ALICE in str(operator.rows())


@ON_SQLITE
def test_erasure_asks_first(operator: Operator) -> None:
    result = CliRunner().invoke(
        app, ["person", "erase", "--subject", "alice"], env=operator.variables, input="n\n"
    )
    assert result.exit_code == 1
    assert OF_ALICE in str(operator.rows())


class KilledWithin:
    """A database whose process is killed after the first statements of its write number `number`."""

    def __init__(self, database: Database, number: int) -> None:
        self._database = database
        self._left = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, work: Callable[[], Transaction[Any]], *, durable: bool = False) -> Any:
        self._left -= 1
        if self._left:
            return await self._database.write(work, durable=durable)
        return await self._database.write(lambda: killing(work()), durable=durable)


def killing(transaction: Transaction[Any]) -> Transaction[Any]:
    yield next(transaction)
    os.kill(os.getpid(), signal.SIGKILL)


def killed_while_erasing(operator: Operator, number: int) -> None:
    """A process begins to erase Alice, and is killed within its write number `number`."""

    async def erased(storage: ConversationStorage) -> None:
        await StoredPerson(KilledWithin(storage.database, number), ALICE).erase()

    process = os.fork()
    if process == 0:
        try:
            operator.with_storage(erased)
        finally:
            os._exit(0)
    _, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def of_missing_threads(operator: Operator) -> dict[str, int]:
    """How many rows are of a conversation of Alice that is not there."""

    async def counted(storage: ConversationStorage) -> dict[str, int]:
        numbers = {}
        for table in (*OF_THREADS, *OF_OWNERS):
            column = "thread_key" if table.of_thread else table.thread_column
            if column is None:
                continue
            threads = f"SELECT {'key' if column == 'thread_key' else 'id'} FROM threads"  # noqa: S608 - constants
            of_one = "" if column == "thread_key" else f" WHERE owner = '{OF_ALICE}'"
            condition = f"{column} IS NOT NULL AND {column} NOT IN ({threads}{of_one})"
            owned = "" if table.of_thread else f" AND owner = '{OF_ALICE}'"
            sql = f"SELECT count(*) FROM {table.name} WHERE {condition}{owned}"  # noqa: S608 - constants
            [[number]] = await storage.database.read(lambda sql=sql: query(sql))
            numbers[table.name] = int(number)
        return numbers

    result: dict[str, int] = operator.with_storage(counted)
    return result


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_killed_erasure_leaves_each_conversation_whole_or_nothing_of_it_and_is_completed_by_another(
    operator: Operator, number: int
) -> None:
    before = operator.rows()
    belongs_to_none = of_missing_threads(operator)  # the tests' approvals name conversations of their own
    killed_while_erasing(operator, number)
    after = operator.rows()
    assert OF_ALICE in str(after)
    if number == 1:
        assert after == before
    assert all(count <= belongs_to_none[name] for name, count in of_missing_threads(operator).items())
    assert operator.erases().exit_code == 0
    assert operator.rows() == bobs(before, operator)


def test_archive_has_all_of_one_person_readable_without_the_agent(operator: Operator) -> None:
    path = operator.folder / "alice.zip"
    (operator.folder / "audit.jsonl").write_text(
        "".join(
            json.dumps({"time": "t", "event": "tool_call", "principal": {"iss": ALICE.issuer, "sub": sub}})
            + "\n"
            for sub in ("alice", "bob")
        )
    )
    before = operator.rows()
    result = operator.types("export", "--subject", ALICE.subject, "--to", str(path))
    assert result.exit_code == 0, result.output
    assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as archive:
        inventory = json.loads(archive.read("inventory.json"))
        tables = {table.name: archive.read(f"tables/{table.name}.jsonl").decode() for table in ERASED}
        files = [archive.read(name) for name in archive.namelist() if name.startswith("files/")]
        audit = archive.read("audit.jsonl").decode().splitlines()
    assert inventory["person"] == {"iss": ALICE.issuer, "sub": ALICE.subject}
    assert {kept.name for kept in KEPT} == inventory["not_in_it"].keys()
    for name, text in tables.items():
        rows = [json.loads(line) for line in text.splitlines()]
        assert len(rows) == inventory["tables"][name] > 0
        assert OF_BOB not in text
        sealed = {column for table in ERASED if table.name == name for column in table.sealed}
        for column in sealed - {"title", "labels"}:
            assert all(row.get(column) is not None or "file" in row for row in rows), (name, column)
    assert f"{OF_ALICE} t2 r2" in tables["messages"]
    assert "payroll.payslip" in tables["threads"]
    assert '"tool": "pay"' in tables["approvals"]
    assert files == [OF_ALICE.encode()] * 2
    assert (inventory["audit_lines"], len(audit), "alice" in audit[0]) == (1, 1, True)
    assert operator.rows() == before
    again = operator.types("export", "--subject", ALICE.subject, "--to", str(path))
    assert (again.exit_code, "cannot be written" in again.output) == (1, True)


@ON_SQLITE
def test_changed_value_is_left_out_of_the_archive_and_the_others_are_in_it(operator: Operator) -> None:
    async def change(storage: ConversationStorage) -> None:
        key = "SELECT key FROM threads WHERE owner = ? AND id = 't'"
        other = f"SELECT body FROM messages WHERE thread_key = ({key}) AND seq = 1"  # noqa: S608 - constants
        sql = f"UPDATE messages SET body = ({other}) WHERE thread_key = ({key}) AND seq = 1"  # noqa: S608 - constants
        await storage.database.write(lambda: query(sql, OF_BOB, OF_ALICE))

    operator.with_storage(change)
    path = operator.folder / "alice.zip"
    assert operator.types("export", "--subject", ALICE.subject, "--to", str(path)).exit_code == 0
    with zipfile.ZipFile(path) as archive:
        messages = archive.read("tables/messages.jsonl").decode()
    assert OF_BOB not in messages
    assert sum(json.loads(line)["body"] is None for line in messages.splitlines()) == 1


@pytest.fixture
def with_redis(operator: Operator, redis: Any) -> Iterator[Redis]:
    """The Redis of the operator's agents, in which both people have keys of each kind."""
    operator.variables["REDIS_URL"] = redis.url

    async def put() -> None:
        shared = SharedRedis(Secret(redis.url), audience=AUDIENCE)
        for person in (ALICE, BOB):
            owner = owner_digest(person)
            keys = StreamKeys(shared, owner)
            entry = EventEntry("seen", (), 1, [{"type": "content", "text": f"shown to {owner}"}])
            place = "events", owner, "t", "seen-1", 1
            body = ENCRYPTION.seal(entry.to_json(), *place)

            async def written(client: Any, keys: StreamKeys = keys, body: bytes = body) -> None:
                await client.xadd(keys.events("seen-1"), {ENTRY: body}, id="1-2")
                await client.zadd(keys.streams, {"seen-1": 1})
                await client.set(keys.latest("seen"), "1 seen-1")

            await shared.use(written)
            await shared.use(lambda client, person=person: client.zadd(places_key(shared, person), {"p": 1}))
            await RequestRate(60, audience=AUDIENCE, redis=shared).count(person)
        await shared.aclose()

    asyncio.run(put())
    with closing(Redis.from_url(redis.url)) as client:
        yield client


@ON_SQLITE
def test_keys_in_redis_are_exported_and_erased(operator: Operator, with_redis: Redis) -> None:
    before = set(with_redis.keys())
    assert len(before) == 10
    path = operator.folder / "alice.zip"
    result = operator.types("export", "--subject", ALICE.subject, "--to", str(path))
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(path) as archive:
        [event] = archive.read("events.jsonl").decode().splitlines()
        inventory = json.loads(archive.read("inventory.json"))
    assert f"shown to {OF_ALICE}" in event
    assert inventory["redis"] == dict.fromkeys(("streams", "events", "latest", "runs", "minute"), 1)
    channel = with_redis.pubsub(ignore_subscribe_messages=True)
    name = SharedRedis(Secret("redis://127.0.0.1"), audience=AUDIENCE).name("cancellations")
    channel.subscribe(name)
    assert channel.get_message(timeout=5) is None
    result = operator.erases()
    assert result.exit_code == 0, result.output
    told = channel.get_message(timeout=5)
    assert told is not None
    assert json.loads(told["data"]) == [OF_ALICE, None, None]
    left = set(with_redis.keys())
    of_bob = {key for key in before if OF_BOB.encode() in key}
    assert of_bob <= left
    removed = {key for key in left if b":removed:" in key}
    assert len(removed) == len({"r", "r2", "seen"})
    assert len(left - removed) == 5
    assert all(0 < int(with_redis.ttl(key)) <= 7200 for key in removed)


@ON_SQLITE
def test_erasure_begins_only_if_redis_can_be_used(operator: Operator) -> None:
    before = operator.rows()
    result = operator.erases(REDIS_URL="redis://127.0.0.1:1")
    assert (result.exit_code, "Redis cannot be used" in result.output) == (1, True), result.output
    assert operator.rows() == before


async def columns_of(database: Database, kind: str) -> dict[str, set[str]]:
    if kind == "SqliteDatabase":
        columns = "pragma_table_info(tables.name) AS columns"
        of_tables = f"FROM sqlite_master AS tables JOIN {columns} WHERE tables.type = 'table'"
        sql = f"SELECT tables.name, columns.name {of_tables}"
        rows = await database.read(lambda: query(sql))
    else:
        sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ?"
        rows = await database.read(lambda: query(sql, SCHEMA))
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(str(table), set()).add(str(column))
    return found


async def test_every_table_and_column_of_both_databases_is_in_the_inventory(
    new_database: NewDatabase,
) -> None:
    database = new_database()
    kind = type(database).__name__
    await database.write(lambda: query("SELECT 1"))
    found = await columns_of(database, kind)
    for table in ERASED:
        assert found[table.name] == {*table.columns}, table.name
    listed = {table.name for table in ERASED} | {REVOCATIONS.name, STOP_REPORTS.name} | WITHOUT_PEOPLE
    if kind == "SqliteDatabase":  # that of the server has tables of other tests, too
        assert found.keys() == listed - {"schema_version"}
    assert found.keys() >= listed - {"schema_version"}


def test_every_kind_of_key_in_redis_is_in_the_inventory() -> None:
    named = re.compile(r'(?:\.name|\b_of)\("(\w+)"|"idaas-agent:(\w+):|f"idaas-agent:(\w+):')
    sources = [*ROOT.glob("agent/**/*.py"), *ROOT.glob("plugins/*/*.py")]
    kinds = {
        kind
        for file in sources
        if "redis" in (text := file.read_text("utf-8")) and file.parent.name != "person"
        for match in named.finditer(text)
        for kind in match.groups()
        if kind
    }
    assert kinds == {key.kind for key in REDIS_KEYS}
