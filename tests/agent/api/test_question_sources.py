"""Questions of another package, which no run asks: shown, decided once, and withdrawn by operators."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agent.api.app import create_app
from agent.settings.settings import read_settings
from identity.errors import ConfigurationError
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.graph.scripted_model import DONE
from tests.suite import Sandbox

RIDDLES = """from fastapi import APIRouter
from langchain_core.messages import HumanMessage

from agent.api.question_source import Decided, QuestionSource, Withdrawable
from agent.api.response_models import Wire
from agent.api.surface import Surface

OPEN = {"riddle": "user_alice01", "other": "user_bob01"}


class Riddle(Wire):
    id: str


class Riddles:
    def __init__(self, conversations):
        self.conversations = conversations

    async def waiting(self, caller):
        return [{"id": name} for name, user in OPEN.items() if user == caller.principal.subject]

    async def decide(self, question_id, caller, *, approved):
        if OPEN.get(question_id) != caller.principal.subject:
            return None
        del OPEN[question_id]
        if not approved:
            return Decided()
        asked = HumanMessage("Why?", id=question_id)
        run = await self.conversations.start(caller, question_id, [asked], streaming=True)
        return Decided(run.id)


async def withdrawable(parts):
    assert parts.settings.conversations_url is not None

    async def withdraw():
        print("recorded")

    return [Withdrawable(name, user, {"id": name}, withdraw) for name, user in OPEN.items()]


def routes(agent):
    router = APIRouter()

    @router.get("/riddles")
    async def riddles():
        return sorted(OPEN)

    return router


SOURCE = QuestionSource(
    name="riddles",
    member=Riddle,
    surface=Surface(name="riddles", routes=routes),
    questions=lambda agent, kept: Riddles(kept.conversations),
    withdrawable=withdrawable,
)
"""
APPROVE, REJECT = {"decision": "approve"}, {"decision": "reject"}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, with one that asks riddles."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "riddle_source.py").write_text(RIDDLES)
    install(folder, "riddles = riddle_source:SOURCE")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("riddle_source", None)


def install(folder: Path, entry: str) -> None:
    """A distribution with one entry point."""
    metadata = folder / "riddles_package-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: riddles-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[idaas_agent.question_sources]\n{entry}\n")


@pytest.mark.promise("verified-caller")
async def test_question_is_shown_to_its_person_and_decided_once(installed: Path, threads: ThreadsOf) -> None:
    served = await threads([DONE], ACCESS_IDENTITY="Human", SURFACES="openai")
    assert (await served.ask("GET", "/riddles")).json() == ["other", "riddle"]
    assert (await served.http.get(f"{served.origin}/riddles")).status_code == 401
    waiting = (await served.ask("GET", "/approvals")).json()
    assert (waiting["riddles"], waiting["asked"], waiting["own"]) == ([{"id": "riddle"}], [], [])
    assert (await served.ask("POST", "/approvals/other", "alice", APPROVE)).status_code == 409
    begun = await served.ask("POST", "/approvals/riddle", "alice", APPROVE)
    assert (begun.status_code, begun.json().keys()) == (202, {"run"})
    async with served.stream("GET", "/threads/riddle/events") as events:
        await events.aread()
    messages = (await served.ask("GET", "/threads/riddle")).json()["messages"]
    assert [message["content"].strip() for message in messages] == ["Why?", "done"]
    assert (await served.ask("POST", "/approvals/other", "bob", REJECT)).status_code == 204
    again = await served.ask("POST", "/approvals/riddle", "alice", APPROVE)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "approval_invalid")


async def test_operator_lists_and_withdraws_the_questions_of_every_source(
    installed: Path, threads: ThreadsOf
) -> None:
    served = await threads([DONE])
    command = partial(served.command, "grants")
    assert '{"user": "user_bob01", "id": "other"}' in (await command()).stdout
    assert "riddle" not in (await command("--user", "user_bob01")).stdout
    withdrawn = (await command("--withdraw", "riddle")).stdout
    assert ("recorded" in withdrawn, "withdrawn: riddle" in withdrawn) == (True, True)
    assert withdrawn.count("recorded") == 1


def test_entry_point_that_is_no_source_stops_the_start(installed: Path, sandbox: Sandbox) -> None:
    install(installed, "riddles = riddle_source:Riddles")
    with pytest.raises(ConfigurationError) as refused:
        create_app(read_settings(sandbox.environment))
    [fault] = refused.value.faults
    assert fault == 'entry point "riddles" must be a QuestionSource, found type'
