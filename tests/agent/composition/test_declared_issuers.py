"""Issuers that SERVICES_FILE declares or a package installs: in the agent, in `doctor` and in the library."""

import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from idaas_agent import ConfigurationError, HTTPService, Identity, IssuerRequirement
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from identity.secrets.secret import Secret
from tests.agent.commands.doctor.test_doctor import findings
from tests.loopback import NO_TLS
from tests.recorded_spans import Spans
from tests.suite import Sandbox
from tools.services_file import read_services_file

ISSUER = """
from pydantic import BaseModel
from idaas_agent import Secret
from idaas_agent.issuers import IssuedCredential, Issuer, refused, unreachable


class Where(BaseModel):
    place: str


class Which(BaseModel):
    path: str


class Vault(Issuer[Which]):
    Settings = Where
    Wanted = Which
    asked = []

    async def issue(self, request):
        self.asked.append((request.caller and request.caller.subject, request.user_token))
        if request.wanted.path == "none":
            raise refused("there is no such path")
        holder = request.caller.subject if request.caller else "agent"
        return IssuedCredential(Secret(f"canary-{self.settings.place}-{holder}"), self.clock() + 600)

    async def check(self):
        if self.settings.place == "down":
            raise unreachable("it is sealed")
        return "it is open"


class NeedsToken(Vault):
    needs_user_token = True


no_class = 3
"""
LEDGER = '''
from idaas_agent import READS

def service(ledger, settings):
    @ledger.tool(policy=READS)
    async def balance(http):
        """Reads the balance."""
        return (await http.get()).text
'''
DECLARED = """
[issuers.vault]
python = "vault.py:Vault"
settings = { place = "here" }
[services.ledger]
type = "http"
url = "https://ledger.example.com"
issuer_credential = { issuer = "vault", settings = { path = "ledger" } }
python = "ledger.py:service"
"""


@pytest.fixture
def declared(tmp_path: Path) -> Callable[..., Path]:
    """Writes the file of services, with the code beside it: with `changes`, pairs of a text and another."""

    def write(*changes: tuple[str, str]) -> Path:
        text = DECLARED
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "vault.py").write_text(ISSUER)
        (tmp_path / "ledger.py").write_text(LEDGER)
        (tmp_path / "services.toml").write_text(text)
        return tmp_path / "services.toml"

    return write


@pytest.fixture
async def ledger(serve: Callable[..., Awaitable[str]]) -> tuple[str, list[str]]:
    """The address of the service, and the credentials that it receives; it repeats each."""
    received: list[str] = []

    async def balance(request: Request) -> JSONResponse:
        received.append(request.headers["Authorization"])
        return JSONResponse({"balance": 5000, "you_sent": received[-1]})

    return await serve(Starlette(routes=[Route("/", balance)])), received


def faults(sandbox: Sandbox, file: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        Agent(read_settings(sandbox.environment | {"SERVICES_FILE": str(file)}))
    return list(refused.value.faults)


@pytest.mark.promise("no-secret-leaves", "human-stays-human", "users-never-cross")
@pytest.mark.parametrize("identity", ["Human", "Machine"])
async def test_call_carries_what_the_issuer_gave_for_its_caller_and_nothing_shows_it(
    start_agent: Any, sandbox: Sandbox, declared: Any, ledger: Any, tmp_path: Path, caplog: Any, identity: str
) -> None:
    caplog.set_level(logging.DEBUG)
    origin, received = ledger
    audit, spans = tmp_path / "audit.jsonl", Spans()
    file = declared(("https://ledger.example.com", origin))
    variables = {"SERVICES_FILE": str(file), "AUDIT_LOG_FILE": str(audit), "AUDIT_REQUIRED": "true"}
    agent = await start_agent(identity, spans=spans, **variables)
    alice, bob = sandbox.access_token("alice"), sandbox.access_token("bob")
    tokens = [alice, bob, alice]
    answers = [await agent.ask("call balance with {}", token) for token in tokens]
    callers = [await agent.composed.verifier.verify(Secret(token)) for token in tokens]
    subjects = [caller.principal.subject for caller in callers]
    holders = subjects if identity == "Human" else ["agent"] * 3
    assert received == [f"Bearer canary-here-{holder}" for holder in holders]
    assert all("5000" in answer.text for answer in answers)
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    issued = [record for record in records if record["event"] == "credential_issue"]
    assert [record["credential"] for record in issued] == ["vault?path=ledger"] * len({*holders})
    assert all(record["outcome"] == "succeeded" for record in issued)
    seen = [caplog.text, audit.read_text(), *(answer.body for answer in answers), *map(str, spans.texts())]
    assert [text for text in seen if "canary-" in text] == []


async def test_stopped_service_asks_no_issuer(
    start_agent: Any, sandbox: Sandbox, declared: Any, ledger: Any
) -> None:
    origin, received = ledger
    agent = await start_agent("Human", SERVICES_FILE=str(declared(("https://ledger.example.com", origin))))
    now = sandbox.clock()
    stop = Revocation(Target.CALLS_OF_SERVICE, "ledger", Origin.OPERATOR, STOPPED, now)
    agent.composed.identity.revocations.apply(stop)
    answer = await agent.ask("call balance with {}", sandbox.access_token())
    assert (received, "5000" in answer.body) == ([], False)
    assert "credential_issue" not in str(agent.composed.measures.metrics.read())


def test_faults_of_issuers_and_of_what_services_ask_them_for_stop_the_start(
    sandbox: Sandbox, declared: Any
) -> None:
    cases = {
        "SERVICES_FILE: issuers.vault.settings: pace is unknown; place must be set": ("place", "pace"),
        "SERVICES_FILE: issuers.vault cannot be used: it raised FileNotFoundError": ("vault.py", "none.py"),
        "SERVICES_FILE: issuers.vault must be a class of idaas_agent.issuers.Issuer": (":Vault", ":no_class"),
        "SERVICES_FILE: issuers.vault: needs the access tokens of users": (":Vault", ":NeedsToken"),
        "SERVICES_FILE: issuers.vault must have python, or be installed": ('python = "vault.py:Vault"', ""),
        "services.ledger.issuer_credential: pth is unknown; path must be set": ("path = ", "pth = "),
        'services.ledger.issuer_credential: there is no issuer "volt"; there are: vault': (
            '"vault"',
            '"volt"',
        ),
    }
    for fault, change in cases.items():
        (found,) = faults(sandbox, declared(change))
        assert found.startswith(fault), found


def test_form_of_the_tables_is_checked(declared: Any) -> None:
    file = declared(
        ('python = "vault.py:Vault"', 'python = "vault"\nuser_token = "yes"\nretries = 3'),
        ('issuer = "vault", settings = { path = "ledger" }', 'issuer = "../x", settings = { path = 1.5 }'),
    )
    _, found = read_services_file(file)
    places = [fault.removeprefix("SERVICES_FILE: ").split(":")[0].split(" ")[0] for fault in found]
    assert {
        "issuers.vault.python",
        "issuers.vault.user_token",
        "issuers.vault.retries",
        "services.ledger.issuer_credential.issuer",
    } <= {*places}
    assert any(place.startswith("services.ledger.issuer_credential.settings.path") for place in places)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, package: str = "company_vault") -> None:
    """A package with the issuer."""
    metadata = folder / f"{package}-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[idaas_agent.issuers]\nvault = company_vault:Vault\n")
    (folder / "company_vault.py").write_text(ISSUER)
    monkeypatch.syspath_prepend(folder)


async def test_installed_issuer_needs_no_python_and_two_of_one_name_are_a_fault(
    sandbox: Sandbox, declared: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)
    file = declared(('python = "vault.py:Vault"', ""))
    agent = Agent(read_settings(sandbox.environment | {"SERVICES_FILE": str(file)}))
    assert agent.identity.issuers.names == ["vault"]
    await agent.aclose()
    install(tmp_path, monkeypatch, "other_vault")
    assert faults(sandbox, file) == [
        "SERVICES_FILE: issuers.vault: two installed packages have an issuer of this name"
    ]


async def test_issuers_are_read_with_the_services_and_not_again(sandbox: Sandbox, declared: Any) -> None:
    file = declared()
    settings = read_settings(sandbox.environment | {"SERVICES_FILE": str(file)})
    file.write_text("[issuers.other]\n")
    agent = Agent(settings)
    assert agent.identity.issuers.names == ["vault"]
    await agent.aclose()


@pytest.mark.parametrize(
    ("change", "step", "code"),
    [
        (("here", "here"), None, None),
        (('"here"', '"down"'), "issuer vault", "issuer_unreachable"),
        (('path = "ledger"', 'path = "none"'), "credential of ledger", "issuer_refused"),
    ],
)
async def test_doctor_checks_the_issuer_and_then_the_credential(
    sandbox: Sandbox, declared: Any, change: tuple[str, str], step: str | None, code: str | None
) -> None:
    found = await findings(sandbox.environment | {"SERVICES_FILE": str(declared(change))})
    relevant = [found[name] for name in ("issuer vault", "credential of ledger")]
    failed = [finding for finding in relevant if finding.outcome == "failed"]
    assert [finding.step for finding in failed] == ([step] if step else [])
    assert [finding.members()["code"] for finding in failed] == ([code] if code else [])
    if code == "issuer_unreachable":
        assert relevant[1].outcome == "skipped"
    if step is None:
        assert relevant[0].detail == "it is open"
    assert "canary" not in str([finding.members() for finding in relevant])


async def test_library_reads_the_same_file(sandbox: Sandbox, declared: Any, ledger: Any) -> None:
    origin, received = ledger
    file = declared(("https://ledger.example.com", origin))
    async with Identity.from_env(
        sandbox.environment | {"ACCESS_IDENTITY": "Human"}, clock=sandbox.clock
    ) as identity:
        async with identity.acting_for(Secret(sandbox.access_token("alice"))) as caller:
            (balance,) = await identity.tools(file)
            text = await balance.ainvoke({})
            assert received == [f"Bearer canary-here-{caller.subject}"]
            assert ("5000" in str(text), "canary" in str(text)) == (True, False)
            await identity.tools(file)  # again: the issuer is there
            other = file.with_name("other.toml")
            other.write_text(file.read_text().replace("here", "down"))
            with pytest.raises(ConfigurationError) as differs:
                await identity.tools(other)
            assert differs.value.faults == ("other.toml: issuers.vault differs from that of another file",)
        missing = HTTPService(
            "other", "https://x.example", IssuerRequirement("volt"), ssl_context=NO_TLS, settings=()
        )
        with pytest.raises(ConfigurationError) as refused:
            await identity.tools([missing])
        assert 'there is no issuer "volt"; there are: vault' in refused.value.faults[0]
