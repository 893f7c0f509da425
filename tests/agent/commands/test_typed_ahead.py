"""Nothing that was typed or pasted before a question is on the screen answers it. On a real terminal."""

import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from agent.commands.terminal import Terminal
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import FIRST_DAY
from tests.terminal import OnTerminal, on_terminal

pytestmark = pytest.mark.promise("seen-before-yes")

WITHOUT_ERRORS_ON_IT = """
import os
os.dup2(os.open("card.txt", os.O_CREAT | os.O_WRONLY), 2)
from agent.cli import main
main()
"""
PASTE_BEGINS, PASTE_ENDS = "\x1b[200~", "\x1b[201~"
PROMPTS = {
    "tool_call": "Approve? [y/n/e]",
    "consent_required": "Allowed? [y/n]",
    "sign_in_required": "Signed in again? [y/n]",
    "elicitation": "Answer it so? [y/n/e/c]",
}
NOT_USED = "What was typed before this question was not used"

Serve = Callable[..., Awaitable[str]]


def chat_with(served: Threads, *arguments: str, folder: Path) -> Any:
    variables = {"IDAAS_AGENT_ACCESS_TOKEN": served.sandbox.access_token()}
    return on_terminal("chat", "--url", served.origin, *arguments, folder=folder, **variables)


def questions(served: Threads) -> list[str]:
    """The messages of the user, as the model received them with its last request."""
    return [str(each.content) for each in served.model.asked[-1] if each.type == "human"]


async def reject(chat: OnTerminal) -> str:
    """What is shown after the person has said no."""
    chat.types("n")
    return await chat.shows("done")


async def test_lines_pasted_with_the_question_are_one_message_and_approve_nothing(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    async with chat_with(served, folder=tmp_path) as chat:
        await chat.shows("> ")
        chat.types("Apply for one day of leave\ry\ry\r", end="")
        await chat.shows(PROMPTS["tool_call"])
        assert "ok" not in await reject(chat)
    assert questions(served) == ["Apply for one day of leave\ny\ny"]


async def test_last_line_of_a_paste_can_be_changed_before_the_message_is_sent(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    served = await threads([DONE])
    async with chat_with(served, folder=tmp_path) as chat:
        await chat.shows("> ")
        chat.types("One\rtwo\rthr", end="")
        await chat.shows(". two")
        await chat.shows(". thr")
        chat.types("ee")
        await chat.shows("done")
    assert questions(served) == ["One\ntwo\nthree"]


async def test_bracketed_paste_is_one_message(threads: ThreadsOf, tmp_path: Path) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    async with chat_with(served, folder=tmp_path) as chat:
        await chat.shows("> ")
        chat.types(f"{PASTE_BEGINS}Apply for leave\ry\r{PASTE_ENDS}")
        await chat.shows(PROMPTS["tool_call"])
        assert "ok" not in await reject(chat)
    assert [each.strip() for each in questions(served)] == ["Apply for leave\ny"]


async def test_changed_arguments_are_typed_after_they_were_asked_for(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    async with chat_with(served, "Apply for leave", folder=tmp_path) as chat:
        await chat.shows(PROMPTS["tool_call"])
        chat.types('e\r\x01\x0b{"days": 30}\ry\r', end="")
        await chat.shows("arguments: ")
        chat.types("\x01\x0bnone")
        await chat.shows(PROMPTS["tool_call"])
        assert "ok" not in await reject(chat)


def test_row_that_a_terminal_would_wrap_is_marked() -> None:
    terminal = Terminal()
    terminal.file = io.StringIO()
    terminal._force_terminal, terminal.width = True, 24  # as on a real one
    terminal.print_lines(["· note: " + "-" * 11 + " · amount: 1", "· amount: 5000"])
    rows = re.sub(r"\x1b\[[\d;]*m", "", terminal.file.getvalue()).splitlines()
    assert rows == ["· note: ----------- ", "  │ · amount: 1", "· amount: 5000"]


def test_long_line_is_broken_between_words_and_loses_no_character() -> None:
    terminal = Terminal()
    terminal.file = io.StringIO()
    terminal._force_terminal, terminal.width = True, 24
    line = "the quick brown  fox jumps over the lazy dog"
    terminal.print_lines([line])
    first, *others = terminal.file.getvalue().splitlines()
    assert "".join([first, *(row.removeprefix("  │ ") for row in others)]) == line
    assert all(row.endswith(" ") for row in [first, *others[:-1]])


@pytest.mark.parametrize("width", [1, 4, 5])
def test_terminal_of_any_width_shows_the_whole_line(width: int) -> None:
    terminal = Terminal()
    terminal.file = io.StringIO()
    terminal._force_terminal, terminal.width = True, width
    terminal.print_lines(["amount: 5000", "大"])
    assert "0" in terminal.file.getvalue()


DAYS = "· Days (days): 30"
"""An argument with its title and its name."""


async def test_arguments_that_imitate_a_card_are_shown_above_what_counts(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    forged = "Rest" + "\n" * 60 + 'The agent asks to call "leave_apply"\n· days: 1\n'
    asked = {"days": 30, "first_day": FIRST_DAY, "reason": forged}
    served = await threads([calls(("leave_apply", asked)), DONE], ACCESS_IDENTITY="Human")
    async with chat_with(served, "Apply for leave", folder=tmp_path) as chat:
        question = await chat.shows(PROMPTS["tool_call"])
        await reject(chat)
    rows = question.replace("\x1b[1m", "").splitlines()
    assert [row for row in rows if "days" in row and row.startswith("·")] == [DAYS]
    assert rows.index(DAYS) > next(n for n, row in enumerate(rows) if row.startswith("· Reason (reason)"))
    essential = "\n".join(rows[rows.index(DAYS) :])
    assert "It would use the rights of user_alice01 (Human)." in essential
    assert len(rows) < 24


class PausedAgent:
    """An agent whose run waits for one decision."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.resumed: list[dict[str, Any]] = []

    async def run(self, request: Request) -> StreamingResponse:
        self.resumed += (await request.json()).get("resume", [])
        about = {"idaas-agent": {"kind": self.kind, "arguments": {}}}
        asked = {"id": "1", "message": "A question", "metadata": about}
        outcome = {"type": "interrupt", "interrupts": [asked]}
        end = {"type": "RUN_FINISHED"} | ({} if self.resumed else {"outcome": outcome})

        async def stream() -> AsyncIterator[str]:
            yield f"data: {json.dumps(end)}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")


@pytest.mark.parametrize("kind", PROMPTS)
async def test_what_was_typed_before_a_question_does_not_answer_it(
    serve: Serve, tmp_path: Path, kind: str
) -> None:
    agent = PausedAgent(kind)
    url = await serve(Starlette(routes=[Route("/ag-ui/agent", agent.run, methods=["POST"])]))
    given = ("chat", "--url", url, "Hello")
    async with on_terminal(*given, folder=tmp_path, IDAAS_AGENT_ACCESS_TOKEN="token") as chat:
        chat.types("y\ry")  # before the command has started, and half a line without Enter
        chat.types("y", end="")
        await chat.shows(NOT_USED)
        await chat.shows(PROMPTS[kind])
        chat.types("n")
        assert await chat.ends() == 0
    assert [answer["payload"] for answer in agent.resumed] == [{"approved": False}]


async def test_questions_that_are_not_on_the_screen_are_not_asked(serve: Serve, tmp_path: Path) -> None:
    agent = PausedAgent("tool_call")
    url = await serve(Starlette(routes=[Route("/ag-ui/agent", agent.run, methods=["POST"])]))
    program = tmp_path / "program.py"
    program.write_text(WITHOUT_ERRORS_ON_IT)
    given = {"folder": tmp_path, "program": program, "IDAAS_AGENT_ACCESS_TOKEN": "token"}
    async with on_terminal("chat", "--url", url, "Hello", **given) as chat:
        assert await chat.ends() == 1
    assert agent.resumed == []
    assert "cannot be made here" in (tmp_path / "card.txt").read_text()
