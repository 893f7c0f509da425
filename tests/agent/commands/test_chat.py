"""`idaas-agent chat` on a terminal and without one, against a served agent."""

import asyncio
import json
from pathlib import Path

from langchain_core.messages import AIMessage
from typer.testing import CliRunner

from agent.commands.command_line import app
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import LATER_DAY, LEAVE
from tests.terminal import CTRL_C, CTRL_D, UP, on_terminal

PROMPT = "> "
APPROVE = "Approve? [y/n/e]"


def asked(served: Threads) -> list[str]:
    """The last message of each request of the model."""
    return [str(messages[-1].content) for messages in served.model.asked]


async def without_a_terminal(served: Threads, *arguments: str, typed: str = "") -> tuple[int, str]:
    variables = {"IDAAS_AGENT_ACCESS_TOKEN": served.sandbox.access_token()}
    given = ["chat", "--url", served.origin, *arguments]
    result = await asyncio.to_thread(CliRunner().invoke, app, given, env=variables, input=typed)
    return result.exit_code, result.stdout + result.stderr


async def test_conversation_asks_for_approval_with_the_arguments_and_goes_on(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    turns = [APPLY, DONE, APPLY, DONE, APPLY, DONE, AIMessage("as before")]
    served = await threads(turns, ACCESS_IDENTITY="Human")
    variables = {"IDAAS_AGENT_ACCESS_TOKEN": served.sandbox.access_token()}
    async with on_terminal("chat", "--url", served.origin, folder=tmp_path, **variables) as chat:
        await chat.shows(PROMPT)
        chat.types("Apply for\\")
        await chat.shows(". ")
        chat.types("leave")
        question = await chat.shows(APPROVE)
        assert "on your behalf [Human]" in question
        assert "Days (days): 3" in question
        chat.types("perhaps")
        await chat.shows(APPROVE)
        chat.types("e")
        await chat.shows("arguments: ")
        chat.types("\x01\x0b" + json.dumps(LEAVE | {"days": "two"}))  # Ctrl-A, Ctrl-K
        assert 'Check "days"' in await chat.shows(APPROVE)
        chat.types("e")
        await chat.shows("arguments: ")
        chat.types("\x01\x0b" + json.dumps({"days": 2, "first_day": LATER_DAY}))
        assert "leave.leave_apply on your behalf [Human] ok" in await chat.shows("done")
        await chat.shows(PROMPT)
        await chat.interrupts_the_prompt(PROMPT)  # it begins anew
        chat.types(UP)  # the history has the question, and no decision
        await chat.shows(APPROVE)
        chat.types("n")
        assert "ok" not in await chat.shows("done")
        await chat.shows(PROMPT)
        chat.types("Once more")
        await chat.shows(APPROVE)
        chat.types("", end=CTRL_D)
        await chat.shows("--thread ")
        thread = (await chat.shows("\n")).strip()
        assert await chat.ends() == 1
    assert asked(served)[0] == "Apply for\nleave"
    assert asked(served)[2] == "Apply for\nleave"

    code, shown = await without_a_terminal(served, "--thread", thread, "What else?")
    assert (code, "cannot be made here" in shown) == (1, True)
    again = ("chat", "--url", served.origin, "--thread", thread)
    async with on_terminal(*again, folder=tmp_path, **variables) as chat:
        await chat.shows(APPROVE)
        chat.types("y")
        assert "[Human] ok" in await chat.shows("done")
        await chat.shows(PROMPT)
        chat.types("And now?")
        await chat.shows("as before")
        await chat.shows(PROMPT)
        chat.types("", end=CTRL_D)
        await chat.shows(f"--thread {thread}")
        assert await chat.ends() == 0

    served.model.turns = [APPLY, DONE]
    given = ("chat", "--url", served.origin, "Apply for three days of leave from Monday")
    async with on_terminal(*given, folder=tmp_path, **variables) as chat:
        assert "Days (days): 3" in await chat.shows(APPROVE)
        chat.types("n")
        assert "ok" not in await chat.shows("done")
        assert await chat.ends() == 0


async def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    served = await threads([AIMessage("one two three"), DONE], waits=True)
    variables = {"IDAAS_AGENT_ACCESS_TOKEN": served.sandbox.access_token()}
    async with on_terminal("chat", "--url", served.origin, folder=tmp_path, **variables) as chat:
        await chat.shows(PROMPT)
        chat.types("Count")
        await chat.shows("one")
        chat.types("", end=CTRL_C)
        assert "three" not in await chat.shows("stopped\n")
        await chat.shows(PROMPT)
        served.model.waits = False
        chat.types("Go on")
        await chat.shows("done")
        await chat.shows(PROMPT)
        chat.types("", end=CTRL_D)
        assert await chat.ends() == 0


async def test_question_whose_call_needs_an_approval_fails_without_a_terminal(threads: ThreadsOf) -> None:
    served = await threads([APPLY], ACCESS_IDENTITY="Human")
    code, shown = await without_a_terminal(served, "Apply for leave")
    assert code == 1
    assert "Days (days): 3" in shown
    assert f" chat --url {served.origin} --thread " in shown


FOUR_EYES = """[services.amap]
type = "built-in"
policies = { maps_weather = { effect = "write", approvers = "finance" } }
"""


async def test_conversation_goes_on_when_another_person_has_decided(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    (file := tmp_path / "services.toml").write_text(FOUR_EYES)
    weather = calls(("maps_weather", {"city": "Hangzhou"}))
    variables = {"SERVICES_FILE": str(file), "CALLER_CLAIMS": "groups"}
    served = await threads([weather, DONE, DONE], ACCESS_IDENTITY="Human", **variables)
    served.tokens["bob"] = served.sandbox.access_token("bob", groups=["finance"])
    await served.say("What is the weather?")
    code, shown = await without_a_terminal(served, "--thread", "thread-1", "Go on")
    assert code == 1
    assert 'waits for the decision of another person of the group "finance"' in " ".join(shown.split())
    [approval] = (await served.ask("GET", "/approvals", "bob")).json()["asked"]
    assert f"POST /approvals/{approval['id']}" in " ".join(shown.split())
    decided = await served.ask("POST", f"/approvals/{approval['id']}", "bob", {"decision": "approve"})
    assert decided.status_code == 204
    code, shown = await without_a_terminal(served, "--thread", "thread-1", "Thanks")
    assert code == 0
    assert "[Human] ok" in shown


async def test_empty_file_for_a_token_is_no_other_users_token(threads: ThreadsOf, tmp_path: Path) -> None:
    served = await threads([DONE])
    (empty := tmp_path / "token").write_text("\n")
    code, shown = await without_a_terminal(served, "--token-file", str(empty), "Hello")
    assert code == 1
    assert "there is no access token in" in " ".join(shown.split())
    assert served.model.asked == []


async def test_question_is_read_from_a_pipe_and_an_empty_one_is_refused(threads: ThreadsOf) -> None:
    served = await threads([DONE])
    assert (await without_a_terminal(served, typed="Hello\nthere\n"))[0] == 0
    assert asked(served) == ["Hello\nthere\n"]
    for arguments in ((), ("  ",)):
        code, shown = await without_a_terminal(served, *arguments, typed="\n")
        assert (code, shown.strip()) == (1, "the question is empty")
    assert len(served.model.asked) == 1
