"""`idaas-agent policy`: checks the policy file, tests it, explains a decision, and replays an audit log."""

import asyncio
import json
import ssl
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.commands.audit import records
from agent.commands.help_panels import DECIDE, listed_in
from agent.commands.no_access import NO_ACCESS
from agent.commands.terminal import ENV_FILE, EnvFiles, operator_settings, out, seconds_of, stop, stop_by
from agent.errors.error_codes import AgentCode
from agent.operations.revocation.store import StoreError
from identity.errors import AgentError, ConfigurationError
from plugins.policy.variables import PolicyVariables

if TYPE_CHECKING:
    from agent.settings.settings import Settings
    from graph.approvals.policy import Ask, Decision, Facts, User
    from graph.approvals.rights import UserRights
    from plugins.policy.rules import Rules, ToolRules
    from plugins.policy.schema import ToolAction, Vocabulary
    from plugins.policy.situation import Situation

app = typer.Typer(
    rich_help_panel=DECIDE,
    help="The policy file: check it, test it, explain a decision.",
    no_args_is_help=True,
)
_File = Annotated[Path | None, typer.Option("--file", help="Another file than POLICY_FILE.")]
_Groups = Annotated[str, typer.Option(help="Groups of the user, separated by commas.")]
_Claims = Annotated[list[str] | None, typer.Option(help="NAME=TEXT, of CALLER_CLAIMS. Repeatable.")]
_SignedIn = Annotated[int | None, typer.Option(help="Seconds since the sign-in. Without it: not known.")]
_UNRECORDED: Final = frozenset({"input", "today", "authAge", "approver", "consent", "groups"})
"""The facts that no line of an audit log has."""


class Case(BaseModel):
    """A call, and what is expected: `allow`, `deny`, `ask`, `ask GROUP` or `sign in`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = ""
    user: str
    tool: str
    arguments: dict[str, Any] = {}
    groups: list[str] = []
    claims: dict[str, str] = {}
    identity: Literal["Human", "Machine", "None"] = "Human"
    at: datetime | None = None
    signed_in: int | None = None
    approved_by: str | None = None
    approver_groups: list[str] = []
    read: dict[
        str, Annotated[str, Field(pattern=r"^(confidential|untrusted)( (confidential|untrusted))?$")]
    ] = {}
    calls: int = 1
    today: dict[str, Annotated[float, Field(ge=0)]] = {}
    total: float = 0
    expect: Annotated[str, Field(pattern=r"^(|allow|deny|sign in|ask( .+)?)$")] = ""

    def unknown(self, known: "Vocabulary") -> dict[str, tuple[list[str], list[str]]]:
        """Names that no decision would use, and the right ones, by their kind."""
        from graph.labels.data_labels import CLIENT

        services: set[str] = set()
        if not known.has_own_nodes:
            services = {source.partition(".")[0] for source in self.read} - {CLIENT}
        named: dict[str, tuple[Iterable[str], Iterable[str]]] = {
            "fact of today": (self.today.keys(), known.facts_of_today),
            "group": (self.groups, known.groups),
            "claim": (self.claims.keys(), known.attributes),
            "service": (services, known.services),
        }
        found = {kind: (sorted({*names} - {*right}), sorted(right)) for kind, (names, right) in named.items()}
        return {kind: (wrong, right) for kind, (wrong, right) in found.items() if wrong}


@dataclass(frozen=True)
class _Loaded:
    """The rules of a file, and the services that they are about."""

    file: Path
    rules: "Rules"
    services: Mapping[str, Any]
    zone: Any

    def action(self, tool: str) -> "ToolAction":
        """The tool of a name: `leave.leave_apply`, or `leave_apply` if one service has it."""
        known = self.rules.vocabulary.actions
        found = [name for name in known if tool in (name, name.partition(".")[2])]
        if len(found) != 1:
            names = ", ".join(self.rules.vocabulary.similar(tool))
            fault = f'there is no tool "{tool}" whose parameters are known without its server'
            stop(fault, f"there are {names}")
        return known[found[0]]

    def decided(self, case: Case) -> "tuple[Decision, ToolRules, Situation, Facts, Ask | None]":
        """The decision about a case, and what it was made of. The declared policy decides first."""
        from langchain_core.messages import ToolCall

        from graph.approvals.declared_policy import DeclaredPolicy
        from graph.approvals.pending_call import PendingCall
        from graph.approvals.policy import Approver, Ask, Deny, Facts, User
        from graph.credentials.service_credentials import ServiceRequirement
        from graph.tool_calls.default_arguments import with_defaults
        from identity.principal import AccessIdentity, Principal
        from plugins.policy.decision import decide
        from plugins.policy.schema import ten_thousandths
        from plugins.policy.situation import situation_of
        from tools.service import node_of

        action = self.action(case.tool)
        for kind, (wrong, right) in case.unknown(self.rules.vocabulary).items():
            there = f"there are {', '.join(right)}" if right else "there is none"
            stop(f'{case.name or "a case"}: the policy knows no {kind} "{wrong[0]}"', there)
        of_tool = self.rules.of(action)
        known = self.rules.vocabulary
        at = case.at or datetime.now(UTC)
        at = at.astimezone(self.zone) if at.tzinfo else at.replace(tzinfo=self.zone)
        signed_in_at = None if case.signed_in is None else at.timestamp() - case.signed_in
        user = User(Principal("", case.user), {**case.claims, "": tuple(case.groups)}, signed_in_at)
        identity = AccessIdentity(case.identity) if case.identity in list(AccessIdentity) else None
        situation = situation_of(user, identity, at, known.groups, known.attributes, "")
        arguments = with_defaults(case.arguments, action.parameters)
        situation = replace(situation, arguments=arguments, read=case.read)
        today = {
            name: int(case.today.get(name, 0)) if kind is int else ten_thousandths(case.today.get(name, 0))
            for name, kind in known.facts_of_today.items()
        }
        situation = replace(situation, calls=case.calls, amount=ten_thousandths(case.total), today=today)
        by = Approver(Principal("", case.approved_by or ""), frozenset(case.approver_groups))
        another = by if case.approved_by not in (None, case.user) else None
        facts = Facts(approved=case.approved_by is not None, approver=another)
        node = node_of(self.services, action.service, action.tool)
        credential = self.services[node].credential
        required = {} if identity is None else {node: ServiceRequirement(credential, identity)}
        call = ToolCall(name=action.tool, args=arguments, id="", type="tool_call")
        pending = PendingCall(call, node, None, user.principal, None, read=case.read)
        declared = asyncio.run(DeclaredPolicy(self.services, required).decide(pending, user, facts))
        if isinstance(declared, Deny):
            return replace(declared, rules=("the declared policy",)), of_tool, situation, facts, None
        asks = declared if isinstance(declared, Ask) else None
        return decide(of_tool.enforced, of_tool, situation, facts, asks), of_tool, situation, facts, asks


def _load(file: Path | None, env_file: EnvFiles) -> _Loaded:
    """Prints the faults of the file with their places, and stops if there are any. Nothing is called: tools
    that a server lists are not known.
    """
    named = {} if file is None else {"POLICY_FILE": str(file)}
    settings = operator_settings(env_file, **named)
    variables = settings.of(PolicyVariables)
    path = variables.policy_file
    if path is None:
        stop("there is no policy file", "set POLICY_FILE, or name one with --file")
    from agent.composition.extensions import services
    from plugins.policy.installed import require_cedar

    require_cedar()
    from plugins.policy.rules import read_rules
    from plugins.policy.schema import vocabulary_of

    try:
        trusts_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made = services(settings, trusts_nobody, accepts_tools=False)
        counts = settings.conversations_url is not None
        known = vocabulary_of(settings, made, lambda service: service.cached_tools(NO_ACCESS), counts=counts)
        rules = read_rules(path, known)
    except ConfigurationError as error:
        if error.code is not AgentCode.POLICY_INVALID:
            stop_by(error)
        lines: list[str] = []
        for fault in error.faults:
            blank = "" if fault[:1].isdigit() else " "
            lines.append(f"{path}:{blank}{fault}")
        stop("\n".join(lines))
    by_name = {service.name: service for service in made}
    return _Loaded(path, rules, by_name, ZoneInfo(variables.policy_time_zone))


@app.command()
def check(file: _File = None, env_file: ENV_FILE = None) -> None:
    """Checks the policy file against the services, and names file and line of each fault."""
    loaded = _load(file, env_file)
    from plugins.policy.impossible import faults_of  # after the check that Cedar is installed

    known = loaded.rules.vocabulary
    rules = loaded.rules.statements
    out.print(f"{loaded.file}: {len(rules)} rules are valid, SHA-256 {loaded.rules.digest}")
    for rule in rules:
        place = f"{loaded.file}:{rule.line}"
        if any(known.waits(name) for name in rule.mentioned_actions):
            out.print(f"{place}: is checked when the server has listed the tool")
            continue
        about = [action for action in known.actions.values() if rule.applies(action)]
        for fault in faults_of(rule, about, known):  # those that a tool may heal that is not listed yet
            out.print(f"{place}: {fault}, unless a server lists another tool", style="yellow")


@app.command("test")
def decide_cases(file: _File = None, env_file: ENV_FILE = None) -> None:
    """Decides the cases beside the file (policy.cases.toml for policy.cedar), and names each that differs."""
    loaded = _load(file, env_file)
    path = loaded.file.with_suffix(".cases.toml")
    try:
        tables = tomllib.loads(path.read_text("utf-8"))["cases"]
        cases = [Case.model_validate(table) for table in tables]
    except (OSError, ValueError, KeyError) as error:
        kind = "is not valid" if isinstance(error, ValidationError | KeyError) else "cannot be read"
        stop(f"{path} {kind}: {error}", "plugins/policy/README.md has an example")
    failed = 0
    for number, case in enumerate(cases, 1):
        found = _words(loaded.decided(case)[0])
        if found != case.expect:
            failed += 1
            out.print(f"{case.name or number}: expected {case.expect}, found {found}", style="red")
    out.print(f"{len(cases) - failed} of {len(cases)} cases are as expected")
    if failed:
        raise typer.Exit(1)


def _words(decision: "Decision") -> str:
    from graph.approvals.policy import Allow, Ask

    if isinstance(decision, Ask):
        return "sign in" if decision.sign_in is not None else f"ask {decision.approvers or ''}".strip()
    return "allow" if isinstance(decision, Allow) else "deny"


@app.command()
def explain(
    user: Annotated[str, typer.Option(help="The sub of the user.")],
    tool: Annotated[str, typer.Option(help="The tool: leave_apply, or leave.leave_apply.")],
    args: Annotated[str, typer.Option(help="The arguments, as JSON.")] = "{}",
    groups: _Groups = "",
    claim: _Claims = None,
    identity: Annotated[str, typer.Option(help="Human, Machine or None.")] = "Human",
    at: Annotated[str, typer.Option(help="2026-11-25T09:00:00Z, unix seconds, or now.")] = "now",
    signed_in: _SignedIn = None,
    file: _File = None,
    env_file: ENV_FILE = None,
) -> None:
    """Says how a call would be decided, by which rules and lines, and what would change it."""
    from graph.approvals.policy import DENIED, Deny

    loaded = _load(file, env_file)
    from plugins.policy.decision import conditions  # after the check that Cedar is installed

    try:
        case = Case.model_validate(
            {
                "user": user,
                "tool": tool,
                "arguments": json.loads(args),
                "groups": list(filter(None, map(str.strip, groups.split(",")))),
                "claims": _claims(claim),
                "identity": identity,
                "at": datetime.fromtimestamp(seconds_of(at, time.time()), UTC),
                "signed_in": signed_in,
            }
        )
    except ValueError as error:
        stop(f"the call cannot be read: {error}")
    decision, of_tool, situation, facts, declared = loaded.decided(case)
    out.print(f"{_words(decision)}: {of_tool.action.name} for {user} as {identity}")
    if declared is not None:
        out.print("the declared policy asks")
    for rule in of_tool.statements:
        kind = rule.form["effect"]
        if rule.observed:
            kind = f"observed {kind}"
        findings = conditions(of_tool, rule, situation, facts)
        out.print(f"{loaded.file}:{rule.line}: {kind} {rule.name}: {', '.join(findings)}")
    if decision.rules:
        out.print(f"decided by {', '.join(decision.rules)}")
    if isinstance(decision, Deny):
        reason = decision.reason
        if reason == DENIED:
            reason = "no approval and no sign-in would change that"
        out.print(reason)


@app.command()
def replay(
    audit: Annotated[Path, typer.Option(help="A file of the audit log.")],
    file: _File = None,
    env_file: ENV_FILE = None,
) -> None:
    """Says what the file would have decided about the calls of an audit log.

    The log has neither arguments nor groups: a call that depends on them is counted with these lines. A call
    that was "refused otherwise", such as for its arguments, was refused without a file.
    """
    from tools.service_name import service_of

    loaded = _load(file, env_file)
    counted: Counter[tuple[str, str, str]] = Counter()
    begun = set()
    approved: dict[object, object] = {}
    try:
        for record in filter(None, records(audit)):
            outcome, approval, rules = (record.get(name) for name in ("outcome", "approval", "rules"))
            call = str(record.get("principal")), *map(record.get, ("call_id", "tool", "arguments_digest"))
            if (record["event"], outcome) == ("approval_decided", "succeeded"):
                approved[approval, record.get("call_id")] = rules
            if record["event"] == "tool_call" and outcome in ("started", "refused") and call not in begun:
                name = f"{service_of(str(record['service']))}.{record['tool']}"
                if outcome == "started":
                    was = "made"
                    consent = approval is not None
                    begun.add(call)
                else:
                    was = "refused" if record.get("policy") else "refused otherwise"
                    # What was approved, and then refused by other rules than those that asked, they denied.
                    consent = approved.get((approval, call[1]), rules) != rules
                counted[name, was, _replayed(loaded, name, record, approved=consent)] += 1
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        stop(f"{audit} cannot be read: {type(error).__name__}")
    for (name, was, found), number in sorted(counted.items()):
        changed = (was, found) in (("made", "deny"), ("made", "ask"), ("refused", "allow"))
        style = "yellow" if changed else None
        out.print(f"{number:6}  {name}: {was}, now {found}", style=style)


def _replayed(loaded: _Loaded, name: str, record: Mapping[str, Any], *, approved: bool) -> str:
    """The decision by the rules that need nothing but the record; or the lines of the others."""
    from graph.approvals.policy import Facts
    from plugins.policy.call_policy import forecast_of
    from plugins.policy.situation import Situation

    known = loaded.rules.vocabulary
    if (action := known.actions.get(name)) is None:
        return "not known without its server" if known.waits(name) else "deny"
    situation = Situation(
        subject=(record.get("principal") or {}).get("sub", ""),
        identity=record.get("access_identity") or "None",
        now=datetime.fromisoformat(record["time"]).astimezone(loaded.zone),
        read=dict(labels.replace(",", "").split(": ") for labels in record.get("read") or ()),
    )
    unknown = _UNRECORDED.union(known.attributes)
    facts = Facts(approved=approved)
    decision, undecided = forecast_of(loaded.rules, action, unknown, situation, facts, None)
    if undecided:
        lines = ", ".join(str(rule.line) for rule in undecided)
        return f"as the rules of lines {lines} decide"
    return _words(decision)


def _claims(given: Sequence[str] | None) -> dict[str, Any]:
    """The claims of `name=value`."""
    return dict(claim.partition("=")[::2] for claim in given or ())


@listed_in(DECIDE)
def can(
    user: Annotated[str, typer.Argument(help="The sub of the user.")],
    groups: _Groups = "",
    claim: _Claims = None,
    signed_in: _SignedIn = None,
    env_file: ENV_FILE = None,
) -> None:
    """Prints what GET /rights returns to a user, as JSON, without their access token. Nothing is called.

    Of servers that list their tools it shows those that were accepted.
    """
    from graph.approvals.policy import User
    from identity.principal import Principal

    settings = operator_settings(env_file)
    claims = _claims(claim)
    claims[settings.policy_groups_claim] = tuple(group.strip() for group in groups.split(","))
    at = None if signed_in is None else time.time() - signed_in
    try:
        rights = asyncio.run(_rights(settings, User(Principal(settings.idaas.issuer, user), claims, at)))
    except AgentError as error:
        stop_by(error)
    except StoreError as error:
        stop(f"the revocations cannot be read, which end grants: {error}")
    typer.echo(json.dumps(rights, indent=2))


async def _rights(settings: "Settings", user: "User") -> "UserRights":
    from agent.commands.grants import stored_grants
    from agent.composition.installed_policies import in_force, installed_policies
    from agent.composition.service_parts import ServiceParts
    from agent.conversations.storage import ConversationStorage
    from graph.approvals.gate import ApprovalGate
    from graph.approvals.policies import policies_of
    from graph.approvals.rights import rights_of
    from tools.service import Service, ToolSchema

    def tools(service: Service) -> list[ToolSchema]:
        listed = {tool.name: tool for tool in calls.listed_tools(service) or ()}
        return [listed.get(name) or ToolSchema(name, "", {}) for name in sorted(service.tool_names)]

    tls = ssl.create_default_context(cafile=settings.ssl_cert_file)
    storage = ConversationStorage.of(settings, time.time)
    async with AsyncExitStack() as stack:
        if storage is not None:
            await stack.enter_async_context(aclosing(storage))
        calls = await stack.enter_async_context(aclosing(ServiceParts(settings, tls)))
        installed = installed_policies(calls, storage)
        by_name = {service.name: service for service in calls.services}
        policies = policies_of(by_name, calls.requirements, installed)
        approvals = storage.approvals if storage else None
        gate = ApprovalGate(
            calls.services, calls.requirements, approvals, settings.approval_seconds, time.time, policies
        )
        given: list[dict[str, Any]] = []
        if storage is not None:
            grants = await stored_grants(settings, storage, calls.services, calls.audit)
            given = [grant.members() for grant in await grants.of(user.principal)]
        return await rights_of(user, gate, tools, policy=await in_force(installed), grants=given)
