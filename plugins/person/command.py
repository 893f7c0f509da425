"""`idaas-agent person`: all that is kept about a person, exported or erased."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from agent.commands.help_panels import RECORDS
from agent.commands.terminal import ENV_FILE, err, operator_settings, out, stop
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.storage import ConversationStorage
from agent.redis import RedisUnavailableError, shared_redis
from agent.settings.settings import Settings
from graph.call_arguments import arguments_digest
from identity.audit.event import AuditedAction
from identity.audit.trail import Step
from identity.errors import AgentError, ConfigurationError
from identity.principal import Principal
from identity.settings.audit_log import audit_log, audit_trail
from identity.settings.variables import STANDARD_OUTPUT
from plugins.person.archive import Archive
from plugins.person.inventory import ERASED, KEPT, REDIS_KEYS
from plugins.person.redis_person import RedisPerson
from plugins.person.stored_person import StoredPerson

T = TypeVar("T")

app = typer.Typer(
    rich_help_panel=RECORDS,
    help="All that is kept about a person: export it, erase it.",
    no_args_is_help=True,
)

_SUBJECT = Annotated[str, typer.Option("--subject", "--user", help="The person's sub, as in the audit log.")]
_ISSUER = Annotated[str | None, typer.Option(help="Who issues their tokens. Default: your IDaaS.")]


@dataclass(frozen=True, slots=True)
class _Person:
    """One person in all stores, and the step of the command on record."""

    stored: StoredPerson
    redis: RedisPerson | None
    encryption: Encryption
    step: Step

    async def count(self) -> dict[str, int]:
        """How many rows and keys of each kind there are."""
        counts = dict(await self.stored.count())
        if self.redis is not None:
            counts |= {f"redis {kind}": number for kind, number in (await self.redis.count()).items()}
        return {name: number for name, number in counts.items() if number}


@app.command()
def export(
    subject: _SUBJECT,
    to: Annotated[Path, typer.Option(help="The archive to write: a new file, a ZIP.")],
    issuer: _ISSUER = None,
    env_file: ENV_FILE = None,
) -> None:
    """Writes all that is kept about a person into an archive, with an inventory. On record.

    Exit status 1 if there is nothing, or it cannot be read.
    """
    settings = operator_settings(env_file)
    file = settings.audit_log_file

    async def exported(person: _Person) -> dict[str, Any]:
        counts = await person.count()
        if counts:
            audit_file = None if file == STANDARD_OUTPUT else file
            archive = Archive(person.stored, person.encryption, person.redis, audit_file)
            await archive.write(to, time.time())
        return counts

    try:
        counts = _done(settings, subject, issuer, AuditedAction.PERSON_EXPORTED, exported)
    except OSError as error:
        stop(f"the archive cannot be written: {error.strerror}: {to}")
    _print(counts, subject)
    out.print(f"exported: {to}")


@app.command()
def erase(
    subject: _SUBJECT,
    issuer: _ISSUER = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    env_file: ENV_FILE = None,
) -> None:
    """Erases all that is kept about a person, for good: no copy is made. On record, without their name.

    Revoke their access before, so that nothing is added meanwhile. An erasure that was ended before its end
    is completed by another one. Exit status 1 if there is nothing, or something is left.
    """
    settings = operator_settings(env_file)
    if not yes:
        typer.confirm(f"Erase all that is kept about {subject!r}?", abort=True, err=True)

    async def erased(person: _Person) -> tuple[dict[str, int], dict[str, int]]:
        before = await person.count()
        if person.redis is not None:
            await person.redis.erase(await person.stored.runs())
        await person.stored.erase()
        if person.redis is not None:
            await person.redis.erase(())
        return before, await person.count()

    counts, left = _done(settings, subject, issuer, AuditedAction.PERSON_ERASED, erased)
    _print(counts, subject)
    if left:
        stop("something was added meanwhile", "idaas-agent revoke --user SUB, then erase again")
    out.print("erased. Not erased:")
    for kept in KEPT:
        out.print(f"  {kept.name}: {kept.why}")


@app.command()
def inventory() -> None:
    """Prints where things about people are, and what an erasure leaves."""
    for table in ERASED:
        out.print(f"erased  table {table.name}")
    for key in REDIS_KEYS:
        if key.of_person:
            out.print(f"erased  Redis {key.kind}: {key.what}")
    for kept in KEPT:
        out.print(f"kept    {kept.name}: {kept.why}")


def _print(counts: dict[str, int], subject: str) -> None:
    """Prints the counts; ends the command if there is nothing."""
    if not counts:
        stop(f'nothing is kept about "{subject}"', "idaas-agent audit show names the sub of each caller")
    for name, number in counts.items():
        out.print(f"{number:>8,}  {name}")


def _done(
    settings: Settings,
    subject: str,
    issuer: str | None,
    action: AuditedAction,
    work: Callable[[_Person], Awaitable[T]],
) -> T:
    """The result of `work`, which is on record before it begins. Ends the command if it fails."""

    async def recorded() -> T:
        async with _person(settings, Principal(issuer or settings.idaas.issuer, subject), action) as person:
            await person.step.started()
            async with person.step:
                return await work(person)

    try:
        return asyncio.run(recorded())
    except ConfigurationError:
        raise
    except RedisUnavailableError as error:
        stop(f"Redis cannot be used: {error}", "check REDIS_URL, and run the command again")
    except AgentError as error:
        stop(f"it is not complete: {error.detail}", "run the command again")


@asynccontextmanager
async def _person(settings: Settings, principal: Principal, action: AuditedAction) -> AsyncIterator[_Person]:
    digest = arguments_digest({"iss": principal.issuer, "sub": principal.subject})
    async with AsyncExitStack() as stack:
        if (storage := ConversationStorage.of(settings, time.time)) is None:
            stop("conversations are not kept: CONVERSATIONS_URL is none")
        await stack.enter_async_context(aclosing(storage))
        shared = shared_redis(settings)
        redis = None
        if shared is not None:
            await stack.enter_async_context(aclosing(shared))
            redis = RedisPerson(shared, settings.agent_audience, principal)
        log = await stack.enter_async_context(aclosing(audit_log(settings)))
        trail = audit_trail(settings, log)
        step = trail.call(action, None, None, None, client="operator", arguments_digest=digest)
        if revoked := await StoredPerson(storage.database, principal).revocations():
            err.print(f"{revoked} revocations name the person, and are kept")
        yield _Person(StoredPerson(storage.database, principal), redis, storage.encryption, step)
