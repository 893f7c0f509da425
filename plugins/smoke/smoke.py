"""`idaas-agent smoke`: walks a request's steps against a real instance, and compares it with the sandbox.

The report contains no text of the instance, the configuration or a token: each value in it is a number, a
word of this program, or a word that a standard defines. Begin at `observe`.
"""

import asyncio
import hashlib
import json
import re
import sys
import time
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from getpass import getpass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agent.commands.doctor.command import show_finding
from agent.commands.help_panels import RUN, listed_in
from agent.commands.terminal import (
    ENV_FILE,
    environment,
    err,
    for_printing_command,
    out,
    settings_or_stop,
    users_token,
)
from agent.settings.settings import Settings, read_settings
from identity.access_token.jws import parse_compact_jws
from identity.access_token.revocation import Origin, Revocation, Target
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, CredentialRequirement
from identity.errors import AccessTokenError, AgentError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from identity.signing_keys.signing_key import SUPPORTED_ALGORITHMS
from tools import VERSION

if TYPE_CHECKING:
    from agent.commands.doctor.finding import Finding
    from agent.composition.agent import Agent

_SANDBOX: Final = json.loads(files(__package__).joinpath("sandbox_observations.json").read_text("utf-8"))
_WORDS: Final = {*_SANDBOX["words"], *SUPPORTED_ALGORITHMS}
"""Names that standards define: members of tokens, algorithms and types. All else is counted, not named."""
_NAMED_STEPS: Final = ("model", "amap", "enterprise", "leave")
_ABSENT: Final = "idaas-agent-smoke-absent"
"""An identifier and a permission that no instance has."""


@listed_in(RUN)
def smoke(
    env_file: ENV_FILE = None,
    report: Annotated[Path, typer.Option(help="Where to write the report.")] = Path("smoke-report.json"),
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Also revoke the given access token, and see it refused.")
    ] = False,
) -> None:
    """Walks all steps of a request against the configured cloud, and writes a redacted report.

    What differs from the sandbox is shown, and is no failure. Exit status 1 if a step failed. The access
    token of a signed-in user is read from IDAAS_AGENT_ACCESS_TOKEN, or asked for on a terminal.
    """
    variables = for_printing_command(environment(env_file))
    settings = settings_or_stop(variables, env_file, read=partial(read_settings, serves=False))
    token = users_token()
    if not token and sys.stdin.isatty():
        token = getpass("access token of a signed-in user (empty: its steps are skipped): ").strip()
    presented = Secret(token) if token else None
    walked = asyncio.run(_walk(settings, presented, revoke=revoke))
    walked["differences"] = differences(walked["observed"], _SANDBOX["observed"])
    report.write_text(json.dumps(walked, indent=2) + "\n", encoding="utf-8")
    out.print()
    for difference in walked["differences"]:
        out.print(f"differs from the sandbox: {difference}")
    out.print(f"{report} has the steps and differences, without names, addresses or tokens: read and send it")
    if any(step["outcome"] == "failed" for step in walked["steps"]):
        err.print("a step failed: idaas-agent doctor names cause and remedy", style="red")
        raise typer.Exit(1)


async def _walk(settings: Settings, token: Secret | None, *, revoke: bool) -> dict[str, Any]:
    from agent.commands.doctor.examination import Examination
    from agent.composition.agent import Agent

    async with aclosing(Agent(settings, accepts_tools=False)) as agent:
        examination = Examination(agent, token, time.time)
        steps = []
        async for finding in examination.findings():
            show_finding(finding)
            steps.append(_step(finding))
        observed = await observe(agent, examination.caller)
        if revoke and examination.caller is not None:
            steps.append(await _revoked(settings, examination.caller.token))
    return {
        "version": VERSION,
        "access_identity": settings.access_identity.value,
        "authn_method": str(settings.idaas.authn_method),
        "steps": steps,
        "observed": observed,
    }


def _step(finding: "Finding") -> dict[str, str]:
    """A finding without its texts, which contain addresses and identifiers."""
    step = re.sub(
        r"^(credential of|metadata of|service|tools of) (.*)",
        lambda named: f"{named[1]} {named[2] if named[2] in _NAMED_STEPS else 'another'}",
        finding.step,
    )
    members = {"step": step, "outcome": finding.outcome}
    if finding.error is not None and finding.why is not None:
        status = re.search(r"status (\d{3})", finding.error.detail)
        members |= {"code": str(finding.error.code), "reason": finding.why.reason}
        if status:
            members["status"] = status[1]
    return members


async def observe(agent: "Agent", caller: VerifiedAccessToken | None) -> dict[str, Any]:
    """The forms of tokens and errors, by what they are; the first of each kind.

    Two requests are meant to be refused: for an API key and a permission that do not exist.
    """
    observed: dict[str, Any] = {}
    if caller is not None:
        observed["access token of the user"] = token_form(caller.token.reveal())
    wanted: list[tuple[CredentialRequirement, AccessIdentity]] = [
        (requirement.credential, requirement.access_identity) for requirement in agent.requirements.values()
    ]
    for requirement, identity in [*wanted]:
        if isinstance(requirement, AccessTokenRequirement):
            wanted.append((AccessTokenRequirement(f"{requirement.audience}|{_ABSENT}"), identity))
    identity = agent.settings.access_identity
    wanted.append((ApiKeyRequirement(_ABSENT), identity))
    for requirement, identity in wanted:
        kind = f"{requirement.issue_action(identity)} as {identity}"
        absent = _ABSENT in str(requirement)
        name = f"refused: {kind}" if absent else kind
        if name in observed or (identity is AccessIdentity.HUMAN and caller is None):
            continue
        try:
            async with asyncio.timeout(60):
                issued = await agent.broker.obtain(requirement, identity, caller)
            observed[name] = "accepted" if absent else token_form(issued.secret.reveal())
        except AgentError as error:
            status = re.search(r"status (\d{3})", error.detail)
            observed[name] = {"code": str(error.code)} | ({"status": int(status[1])} if status else {})
        except TimeoutError:
            observed[name] = {"code": "no response"}
    return observed


def token_form(token: str) -> dict[str, Any]:
    """The form of a token: types of its members, seconds of its life; nothing of an opaque one."""
    try:
        parsed = parse_compact_jws(token)
    except ValueError:
        return {"form": "opaque"}
    form: dict[str, Any] = {"form": "JWT"}
    for part, members in (("header", parsed.header), ("claim", parsed.payload)):
        for name, value in members.items():
            key = f"{part} {name}" if name in _WORDS else f"other members of the {part}"
            if name not in _WORDS:
                form[key] = form.get(key, 0) + 1
            elif name in ("alg", "typ"):
                form[key] = value if str(value).lower() in _WORDS or value in _WORDS else "another value"
            else:
                form[key] = type(value).__name__
    issued = parsed.payload.get("iat")
    expires = parsed.payload.get("exp")
    if isinstance(issued, int) and isinstance(expires, int):
        form["seconds from iat to exp"] = expires - issued
    return form


def differences(observed: Mapping[str, Any], sandbox: Mapping[str, Any]) -> list[str]:
    """The observations that differ from the sandbox, a sentence each."""
    sentences = []
    for name, form in observed.items():
        here = _members(form)
        there = _members(sandbox.get(name, "not observed"))
        sentences += [
            f"{name}: {key}: {here.get(key, 'absent')}; in the sandbox {there.get(key, 'absent')}"
            for key in sorted({*here, *there})
            if here.get(key) != there.get(key)
        ]
    return sentences


def _members(form: object) -> Mapping[str, Any]:
    return form if isinstance(form, dict) else {"result": form}


async def _revoked(settings: Settings, token: Secret) -> dict[str, str]:
    """Revokes the given token, and nothing else, as an operator does; a new agent must refuse it."""
    from agent.commands.revoke import put_revocation
    from agent.composition.agent import Agent

    digest = hashlib.sha256(token.reveal().encode()).hexdigest()
    now = time.time()
    revocation = Revocation(Target.TOKEN, digest, Origin.OPERATOR, now, now)
    await asyncio.to_thread(put_revocation, settings, revocation)
    async with aclosing(Agent(settings, accepts_tools=False)) as other:
        await other.revocation.start()
        await other.revocation.check()
        try:
            await other.verifier.verify(token)
        except AccessTokenError:
            return {"step": "revocation", "outcome": "ok"}
    return {"step": "revocation", "outcome": "failed", "code": "not_refused", "reason": "not_refused"}
