"""`idaas-agent revoke` and `unrevoke`: end, or restore, access rights on running agents."""

import asyncio
import hashlib
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agent.commands.audit import records
from agent.commands.help_panels import WITHDRAW, listed_in
from agent.commands.terminal import ENV_FILE, err, operator_settings, out, own_command, seconds_of, stop
from agent.operations.revocation.store import RevocationStore, StoreError
from agent.settings.settings import Settings
from identity.access_token.revocation import CALLS, Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verifier import LEEWAY, REVOCATION_REACH
from identity.audit.event import AuditedAction, AuditOutcome
from identity.errors import AuditError
from identity.printable import rfc3339

if TYPE_CHECKING:
    from agent.redis import SharedRedis

_OFFERED: Final = 10
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

_User = Annotated[str | None, typer.Option("--user", help="The user's sub, as in the audit log.")]
_Hash = Annotated[str | None, typer.Option("--token-hash", help="SHA-256 of the access token, hexadecimal.")]
_Token = Annotated[
    bool, typer.Option("--token", help="Read one access token from standard input; it is hashed, not kept.")
]


@listed_in(WITHDRAW)
def revoke(
    user: _User = None,
    token_hash: _Hash = None,
    token: _Token = False,
    all_before: Annotated[
        str | None,
        typer.Option("--all-before", help="Every token issued until then: RFC 3339 or unix seconds, or now."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what is revoked, and change nothing.")] = False,
    env_file: ENV_FILE = None,
) -> None:
    """Ends access rights now: refuses the access tokens, forgets their credentials, ends their runs.

    An access token that is issued more than half a minute later is accepted: disable the user in IDaaS too
    if none should be issued. Exit status 1 if the audit log names no such user: others like it are shown.
    """
    settings = operator_settings(env_file)
    if list_:
        _show(settings)
        return
    now = time.time()
    target, name = _target(user, token_hash, token, all_=all_before is not None)
    until = now + LEEWAY
    if all_before not in (None, "now"):
        try:
            until = seconds_of(all_before, now)
        except ValueError as error:
            stop(f"--all-before {error}")
    seen = seen_subjects(settings) if target is Target.USER else None
    put_revocation(settings, Revocation(target, name, Origin.OPERATOR, until, now))
    out.print(f"revoked: {_text(target, name, until)}")
    out.print("each running agent refuses them within a second, and ends their runs")
    if seen is not None:
        require_seen(name, seen, settings, "revoke --user", "ended no one's access")


def require_seen(name: str, seen: set[str], settings: Settings, command: str, effect: str) -> None:
    """Stops the command if the audit log names no user `name`, after those that match were offered."""
    if name in seen:
        return
    alike = sorted(subject for subject in seen if name.lower() in subject.lower())
    for match in alike[:_OFFERED]:
        err.print(f"did you mean: {own_command()} {command} {match}")
    stop(f"no line of {settings.audit_log_file} names the user {name!r}: it may have {effect}")


def seen_subjects(settings: Settings) -> set[str] | None:
    """Who has used this agent, by its audit log; `None` if that is not known."""
    if (file := settings.audit_log_file) is None or not file.is_file():
        err.print("whether the agent has seen the user is not known here: there is no file AUDIT_LOG_FILE")
        return None
    try:
        verified = [
            record for record in records(file) if record and record["event"] == AuditedAction.AUTHENTICATION
        ]
    except (OSError, EOFError) as error:
        err.print(f"whether the agent has seen the user is not known: {file}: {error}")
        return None
    return {str(record["principal"].get("sub")) for record in verified if record["principal"]}


@listed_in(WITHDRAW)
def unrevoke(
    user: _User = None,
    token_hash: _Hash = None,
    token: _Token = False,
    all_: Annotated[bool, typer.Option("--all", help="What --all-before revoked.")] = False,
    env_file: ENV_FILE = None,
) -> None:
    """Takes an operator's revocation back; what IDaaS reported stays until IDaaS reports otherwise."""
    settings = operator_settings(env_file)
    target, name = _target(user, token_hash, token, all_=all_)
    put_revocation(settings, Revocation(target, name, Origin.OPERATOR, None, time.time()))
    out.print(f"restored: {_text(target, name, None)}")


def _target(user: str | None, token_hash: str | None, token: bool, *, all_: bool) -> tuple[Target, str]:
    if [user is not None, token_hash is not None, token, all_].count(True) != 1:
        stop("exactly one of --user, --token-hash, --token and the option for all tokens must be given")
    if user is not None:
        return Target.USER, user
    if all_:
        return Target.ALL, ""
    if token:
        token_hash = hashlib.sha256(sys.stdin.readline().strip().encode()).hexdigest()
    if token_hash is None or not _SHA256.fullmatch(token_hash.lower()):
        stop("--token-hash must be a SHA-256, 64 hexadecimal digits", "printf %s TOKEN | sha256sum prints it")
    return Target.TOKEN, token_hash.lower()


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[Sequence[RevocationStore]]:
    """The stores that running agents read: a shared store if there is one, else this machine's file."""
    async with opened_stores(settings) as (stores, _):
        yield [store for store in stores if store.shared] or stores


@asynccontextmanager
async def opened_stores(
    settings: Settings,
) -> AsyncIterator[tuple[Sequence[RevocationStore], "SharedRedis | None"]]:
    """The stores that the settings name, and the Redis among them; closed at the end of the block."""
    from agent.operations.revocation.configured import revocation_stores
    from agent.redis import shared_redis

    redis = shared_redis(settings)
    stores = revocation_stores(settings, redis)
    try:
        yield stores, redis
    finally:
        for store in stores:
            await store.aclose()
        if redis is not None:
            await redis.aclose()


def put_revocation(settings: Settings, revocation: Revocation, reason: str | None = None) -> None:
    """Stores it where running agents read it, and records it, before and after; stops the command if that
    fails. `reason` is recorded: who decided, and why.
    """
    from identity.settings.audit_log import audit_log, audit_trail

    async def keep() -> None:
        async with aclosing(audit_log(settings)) as log, _stores(settings) as stores:
            record = audit_trail(settings, log).revocation(revocation, settings.idaas.issuer, reason)
            with suppress(AuditError):  # then its end cannot be recorded either, and the operator is told
                await record.started()
            try:
                for store in stores:
                    bearable = () if store.lasts else (StoreError,)
                    with suppress(*bearable):
                        await store.put([revocation])
            except StoreError:
                await record.ended(AuditOutcome.FAILED)
                raise
            await record.ended(AuditOutcome.SUCCEEDED)

    try:
        asyncio.run(keep())
    except StoreError as error:
        stop(f"it is not kept: {error}", "check CONVERSATIONS_URL, REVOCATIONS_FILE or REDIS_URL")
    except AuditError as error:
        stop(f"it is in force, but not on record: {error.detail}")


async def stored_revocations(settings: Settings) -> RevocationList:
    """The revocations that running agents have in force. Raises `StoreError`."""
    revocations = RevocationList(reach=REVOCATION_REACH)
    async with _stores(settings) as stores:
        for store in stores:
            if store.lasts:
                async with aclosing(store.changes()) as changes:
                    while stored := await anext(changes):
                        for revocation in stored:
                            revocations.apply(revocation)
    return revocations


def _show(settings: Settings) -> None:
    try:
        stored = asyncio.run(stored_revocations(settings)).entries()
    except StoreError as error:
        stop(f"the revocations cannot be read: {error}")
    entries = [entry for entry in stored if entry.until is not None and entry.target not in CALLS]
    for entry in sorted(entries, key=lambda entry: entry.changed_at):
        text = _text(entry.target, entry.name, entry.until)
        out.print(f"{rfc3339(entry.changed_at, 'seconds')}  {entry.origin:8}  {text}")
    if not entries:
        out.print("no revocation is in force")


def _text(target: Target, name: str, until: float | None) -> str:
    issued = "" if until is None else f" issued until {rfc3339(until, 'seconds')}"
    match target:
        case Target.USER:
            return f"access tokens of {name}{issued}"
        case Target.TOKEN:
            return f"the access token with SHA-256 {name}"
        case _:
            return f"all access tokens{issued}"
