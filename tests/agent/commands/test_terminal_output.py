"""Text of models, tools and services reaches a terminal as text, never as control sequences."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from typer.testing import CliRunner

from agent.commands.answer_text import AnswerText
from agent.commands.command_line import app
from agent.commands.terminal import Terminal
from identity.printable import printable
from tests.suite import Sandbox

CLIPBOARD = "\x1b]52;c;cm0gLXJmIC8=\x07"
HOSTILE = [
    CLIPBOARD, "\x1b]0;title\x07", "\x1b[2J", "\x9b2J", "\x9d0;title\x9c", "\x90q\x9c", "\r", "\b", "\x00",
    "\x7f", "\x0b", "\x0c", "\u202e", "\u202a", "\u2066", "\u2069", "\u200b", "\u200f", "\u061c", "\ufe0f",
    "\u3164", "\u2800", "\U000e0041", "\ue000", "[bold red]markup[/]", "[/]", ":smile:",
    "[link=https://evil.example]here[/link]",
]  # fmt: skip
TEXT = "start" + "".join(HOSTILE) + "end\t.\n"


EMOJIS = ["Sun ", "\u2600", "\ufe0f 1", "\ufe0f", "\u20e3 ", "\U0001f468", "\u200d", "\U0001f4bb", "1"]


def unsafe(text: str) -> list[str]:
    """The characters that a terminal interprets or that nobody sees."""
    return [each for each in text if printable(each) != each]


@pytest.mark.parametrize("kind", ["text", "table"])
def test_only_styles_of_the_code_become_control_sequences(kind: str) -> None:
    terminal = Terminal()
    terminal.file = io.StringIO()
    terminal._force_terminal, terminal._color_system = True, ColorSystem.STANDARD  # as on a real one
    if kind == "table":
        table = Table.grid()
        table.add_row("a", TEXT)
        terminal.print(table)
    else:
        terminal.print(TEXT, style="bold red")
    written = terminal.file.getvalue()
    assert unsafe(re.sub(r"\x1b\[[\d;]*m", "", written)) == []
    assert "red]markup[/][/]:smile:" in written


def rendered(pieces: list[str], width: int = 60) -> str:
    """What a terminal shows of an answer that arrives in `pieces`."""
    terminal = Terminal()
    terminal.file = io.StringIO()
    terminal._force_terminal, terminal._color_system, terminal.width = True, ColorSystem.STANDARD, width
    answer = AnswerText(terminal)
    terminal.is_interactive = False  # what stays is shown, and not what is erased
    for piece in pieces:
        answer.add(piece)
    answer.end()
    return terminal.file.getvalue()


def plain(shown: str) -> str:
    """What is shown, without styles, and without what moves the cursor and erases a block."""
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown).replace("\r", "")
    return "\n".join(line.rstrip() for line in text.split("\n"))


def test_markdown_of_an_answer_is_rendered_block_by_block() -> None:
    code = "```python\na = 1\n\nb = 2\n```"
    text = f"Two **days**:\n\n- Monday\n- Tuesday\n\n{code}\n\nSee [it](https://a.example)."
    shown = rendered([text])
    assert "\x1b[1mdays" in shown
    assert "Two days:\n\n • Monday\n • Tuesday\n\n" in plain(shown)
    assert "https://a.example" in plain(shown)
    assert "a = 1\n\n b = 2" in plain(shown)
    by_character = plain(rendered(list(text)))
    assert all(line in by_character for line in plain(shown).splitlines())


def test_words_of_an_answer_wrap_and_none_is_lost() -> None:
    text = "The <b>quick</b> brown fox, :smile: & [red]jumps[/] over 1 < 2.\n<script>alert(1)</script>"
    shown = plain(rendered([text], width=30))
    assert all(len(row) <= 30 for row in shown.splitlines())
    assert shown.split() == text.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See [it][1].\n\n[1]: https://a.example\n[2]: https://b.example", None),
        (
            '![A map](https://a.example/map.png "Of the city")',
            'A map (https://a.example/map.png) "Of the city"',
        ),
        ("![](https://a.example/map.png)", "(https://a.example/map.png)"),
        (
            "[![Map](https://a.example/s.png)](https://a.example)",
            "Map (https://a.example/s.png) (https://a.example)",
        ),
        ('[it](https://a.example "Of today") ends', 'it (https://a.example) "Of today" ends'),
        (
            '[![Map](https://a.example/s.png "Of the city")](https://a.example)',
            'Map (https://a.example/s.png) "Of the city" (https://a.example)',
        ),
        ("- ![A](https://a.example/a)\n- b", "• A (https://a.example/a)\n • b"),
    ],
)
def test_references_images_and_titles_are_shown(text: str, expected: str | None) -> None:
    shown = plain(rendered([text], width=80))
    assert shown.strip() == (text if expected is None else expected)


def test_hostile_answer_is_text_in_its_blocks_too() -> None:
    block = f"# {TEXT}\n\n```\n{TEXT}```\n\n`{CLIPBOARD}` [{CLIPBOARD}](https://a.example/{CLIPBOARD})"
    image = f'![{CLIPBOARD}](https://a.example/{CLIPBOARD} "{CLIPBOARD}")'
    shown = rendered([f"{block}\n\n{image}\n\n[{CLIPBOARD}]: {CLIPBOARD}"])
    assert unsafe(plain(shown).replace("\n", "")) == []


def test_no_color_has_no_style_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    assert terminal.is_terminal
    terminal.file = io.StringIO()
    terminal.print("dimmed", style="dim")
    terminal.print("bold", style="bold red")
    answer = AnswerText(terminal)
    answer.add("**strong** `code`")
    answer.end()
    assert re.findall(r"\x1b\[[\d;]*m", terminal.file.getvalue()) == []
    assert "dimmed" in terminal.file.getvalue()


def events() -> list[dict[str, object]]:
    outcome = {"ok": False, "error": TEXT, "duration_ms": 1}
    call = {"metadata": {"idaas-agent": {"service": TEXT, "access_identity": TEXT, **outcome}}}
    consent = {"service": TEXT, "url": TEXT}
    return [
        {"type": "TEXT_MESSAGE_START", "messageId": TEXT},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": TEXT, "delta": TEXT},
        {"type": "TOOL_CALL_START", "toolCallId": TEXT, "toolCallName": TEXT},
        {"type": "TOOL_CALL_RESULT", "toolCallId": TEXT, **call},
        {"type": "CUSTOM", "name": "idaas-agent:consent_required", "value": consent},
        {"type": "CUSTOM", "name": "idaas-agent:services_unavailable", "value": {"services": {TEXT: TEXT}}},
        {"type": "CUSTOM", "name": "idaas-agent:notice", "value": {"code": TEXT, "text": TEXT, "values": {}}},
        *({"type": "TEXT_MESSAGE_CONTENT", "delta": each} for each in CLIPBOARD),  # in pieces
        {"type": "TEXT_MESSAGE_CONTENT", "delta": "\ud800"},
        {"type": "RUN_ERROR", "message": TEXT, "code": TEXT},
    ]


def approval(kind: str) -> dict[str, object]:
    """A run that waits for a decision, by a hostile agent."""
    shown = {
        "display": [{"name": TEXT, "label": TEXT, "text": TEXT}],
        "tool": TEXT,
        "scope": TEXT,
        "url": TEXT,
    }
    interrupt = {"id": TEXT, "message": TEXT, "metadata": {"idaas-agent": {"kind": kind, **shown}}}
    return {"type": "RUN_FINISHED", "outcome": {"type": "interrupt", "interrupts": [interrupt]}}


async def respond(request: Request) -> StreamingResponse | JSONResponse:
    question = (await request.json())["messages"][0]["content"]
    if question == "refuse":
        return JSONResponse({"error": {"message": TEXT, "code": TEXT}}, 403)
    if question == "nonsense":
        return JSONResponse({"error": TEXT}, 500)

    ends = {"type": "RUN_FINISHED", "metadata": {"idaas-agent": {"finish_reason": question}}}
    pieces = [{"type": "TEXT_MESSAGE_CONTENT", "delta": each} for each in EMOJIS]
    sent = {
        "emojis": pieces,
        "stream": events(),
        "approve": [approval("tool_call")],
        "unknown": [approval("another")],
    }

    async def stream() -> AsyncIterator[str]:
        for event in sent.get(question, [ends]):
            yield f"data: {json.dumps(event)}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


async def token(_: Request) -> JSONResponse:
    return JSONResponse({"access_token": TEXT})


Serve = Callable[..., Awaitable[str]]


async def output_of(*arguments: str) -> str:
    variables = {"IDAAS_AGENT_ACCESS_TOKEN": "token"}
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=variables)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stdout + result.stderr


@pytest.mark.parametrize("question", ["stream", "refuse", "nonsense", "approve", "unknown"])
async def test_chat_prints_the_output_of_a_hostile_agent_as_text(serve: Serve, question: str) -> None:
    url = await serve(Starlette(routes=[Route("/ag-ui/agent", respond, methods=["POST"])]))
    shown = await output_of("chat", "--url", url, question)
    assert unsafe(shown) == []
    if question != "nonsense":
        assert "[bold red]markup[/]" in shown
        assert ":smile:" in shown


async def test_chat_prints_emojis_that_arrive_in_pieces(serve: Serve) -> None:
    url = await serve(Starlette(routes=[Route("/ag-ui/agent", respond, methods=["POST"])]))
    assert await output_of("chat", "--url", url, "emojis") == f"{''.join(EMOJIS)}\n"


async def test_chat_says_that_an_answer_is_not_whole(serve: Serve) -> None:
    url = await serve(Starlette(routes=[Route("/ag-ui/agent", respond, methods=["POST"])]))
    words = {"length": "cut off at the limit", "content_filter": "withheld by the filter"}
    for reason, text in words.items():
        assert text in " ".join((await output_of("chat", "--url", url, reason)).split())
    assert (await output_of("chat", "--url", url, "stop")).strip() == ""


async def test_token_prints_the_output_of_a_hostile_sandbox_as_text(serve: Serve) -> None:
    url = await serve(Starlette(routes=[Route("/__sandbox__/access-tokens", token, methods=["POST"])]))
    shown = await output_of("token", "--sandbox-url", url)
    assert "start" in shown
    assert unsafe(shown) == []


@pytest.mark.parametrize("form", [[], ["--json"]])
async def test_doctor_prints_hostile_configuration_as_text(
    sandbox: Sandbox, tmp_path: Path, form: list[str]
) -> None:
    path = tmp_path / f"bad{CLIPBOARD.replace('/', '')}\u202e[bold]\x9b"
    file = tmp_path / "agent.env"
    lines = [f"{name}='{value}'" for name, value in sandbox.environment.items()]
    file.write_text("\n".join([*lines, f"CLOUD_IDAAS_CONFIG_PATH='{path}'"]), encoding="utf-8")
    shown = await output_of("doctor", "--env-file", str(file), *form)
    assert "[bold]" in shown
    assert unsafe(shown) == []
