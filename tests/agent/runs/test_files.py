"""Images that people attach, and files that tools return: where their bytes are, and where they never are."""

import base64
import json
from typing import Any

import pytest
from langchain_core.messages import AnyMessage, HumanMessage

from agent.api.attachments import Image, content_of
from agent.conversations.database.database import query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey, ThreadOwner
from agent.conversations.storage_limits import StorageLimits
from agent.errors.error_codes import AgentCode
from agent.runs.run import Paused
from graph.files import file_parts
from graph.nodes.model_calls import message_content
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import StorageLimitError
from tests.agent.conversations.processes import ALICE, BOB, THREAD, Process, ProcessOf
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.service import ToolResult

pytestmark = pytest.mark.promise("no-secret-leaves")

CANARY = b"canary-of-bytes"
PNG = b"\x89PNG\r\n\x1a\n" + CANARY
KEYS = SealingKeys.of(base64.urlsafe_b64encode(bytes(range(32))).decode())
OWNER = ThreadOwner.of(ALICE)
DRAW = calls(("draw", {}))


def asked(text: str, *images: bytes, number: str = "1") -> HumanMessage:
    encoded = [Image(base64.b64encode(each).decode()) for each in images]
    return HumanMessage(content_of([text, *encoded], "content", 4), id=f"m-{text}-{number}")


async def say(process: Process, text: str, *images: bytes) -> list[Any]:
    run = await process.conversations.start(ALICE, THREAD, [asked(text, *images)], streaming=True)
    return [event async for event in run.events()]


def images_in(messages: list[AnyMessage]) -> list[bytes]:
    blocks = [each for message in messages if isinstance(message.content, list) for each in message.content]
    urls = [each["image_url"]["url"] for each in blocks if each["type"] == "image_url"]
    return [base64.b64decode(url.removeprefix("data:image/png;base64,")) for url in urls]


def drawing(*files: tuple[str, bytes], policy: ToolPolicy | None = None) -> EchoService:
    service = EchoService("studio", draw=ToolResult("Drawn.", files=files))
    service.policies["draw"] = policy or ToolPolicy(Effect.READ)
    return service


async def everything(process: Process, *besides: str) -> str:
    """All rows but those of `besides`, as text."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
    names = [name for (name,) in await process.database.read(lambda: query(sql)) if name not in besides]
    rows = [
        row
        for name in names
        for row in await process.database.read(lambda name=name: query(f"SELECT * FROM {name}"))  # noqa: S608 - constants
    ]
    return repr(rows)


async def test_image_reaches_the_model_and_its_message_refers_to_it(process: ProcessOf) -> None:
    one = process([DONE])
    await say(one, "What is this?", PNG)
    assert images_in(one.bench.model.asked[0]) == [PNG]
    question, _ = await one.transcript()
    [part] = file_parts(question)
    described = {"name": "image.png", "media_type": "image/png", "bytes": len(PNG)}
    assert part == {"type": "file", "id": part["id"], **described}
    assert await one.threads.files.read(OWNER.thread(THREAD), [part["id"], "other"]) == {part["id"]: PNG}


async def test_model_receives_the_newest_images_again_and_reads_that_there_were_others(process):
    one = process([DONE], images=2, window_tokens=9000)
    for number in range(3):
        await say(one, f"question {number}", PNG + bytes([number]))
    await say(process([DONE], images=2, window_tokens=9000, name="process-2"), "And now?")
    last = one.bench.model.asked[-1]
    assert images_in(last) == [PNG + b"\1", PNG + b"\2"]
    first = next(message for message in last if isinstance(message, HumanMessage))
    assert (
        '[file "image.png", image/png, 24 bytes: attached by the user, and not shown any more]' in first.text
    )


async def test_model_that_takes_no_images_any_more_reads_of_those_that_were_kept(process: ProcessOf) -> None:
    await say(process([DONE]), "look", PNG)
    other = process([DONE], images=0, window_tokens=9000, name="process-2")
    await say(other, "again")
    assert images_in(other.bench.model.asked[0]) == []
    assert "not shown any more" in str(other.bench.model.asked[0])


async def test_image_counts_in_the_window(process: ProcessOf) -> None:
    one = process([DONE], window_tokens=500)
    await say(one, "look", PNG)
    await say(one, "again")
    assert [str(message.text) for message in one.bench.model.asked[-1][1:]] == ["again"]


@pytest.mark.parametrize("words", [None, "What colour is it?"])
async def test_question_that_is_asked_anew_keeps_its_images(process: ProcessOf, words: str | None) -> None:
    one = process([DONE])
    await say(one, "What is it?", PNG)
    anew = [] if words is None else [HumanMessage(words, id="m-2")]
    run = await one.conversations.replace(ALICE, THREAD, "m-What is it?-1", anew)
    await run.task
    assert images_in(one.bench.model.asked[-1]) == [PNG]
    assert one.bench.model.asked[-1][-1].text == (words or "What is it?")
    [[stored]] = await one.database.read(lambda: query("SELECT count(*) FROM files"))
    assert stored == 1


async def test_image_of_a_run_that_waits_is_there_in_the_process_that_goes_on(process: ProcessOf) -> None:
    ask = ToolPolicy(Effect.WRITE, ApprovalMode.ASK)
    sealed = Encryption(KEYS)
    one = process([DRAW, DONE], drawing(policy=ask), encryption=sealed)
    [*_, end] = await say(one, "draw this", PNG)
    assert isinstance(end, Paused)
    assert CANARY.decode() not in await everything(one)
    assert base64.b64encode(PNG).decode() not in await everything(one)
    await one.stop()
    other = process([DONE], drawing(policy=ask), name="process-2", encryption=sealed)
    approval = end.pending[0].request.id
    run = await other.conversations.resume(ALICE, THREAD, {approval: {"approved": True}}, streaming=True)
    await run.task
    assert images_in(other.bench.model.asked[0]) == [PNG]


async def test_bytes_are_in_the_table_of_files_alone_and_in_no_event(process: ProcessOf) -> None:
    policy = ToolPolicy(Effect.WRITE, ApprovalMode.ASK)
    one = process([DRAW, DONE], drawing(("a.png", PNG), policy=policy))
    events = await say(one, "draw this", PNG)
    waiting = await everything(one, "files")
    approval = events[-1].pending[0].request.id
    run = await one.conversations.resume(ALICE, THREAD, {approval: {"approved": True}}, streaming=True)
    events += [event async for event in run.events()]
    for seen in (waiting, await everything(one, "files"), repr(events), repr(run)):
        assert CANARY.decode() not in seen
        assert base64.b64encode(CANARY)[4:-4].decode() not in seen
    assert message_content(one.bench.model.asked[0], []).count(CANARY.decode()) == 0, "a span has its texts"
    assert "draw this" in message_content(one.bench.model.asked[0], [])


async def test_file_of_a_tool_is_kept_for_its_owner_and_described_to_the_model(process: ProcessOf) -> None:
    one = process([DRAW, DONE], drawing(("charts/a\u202e.png", PNG), ("<b>.html", b"<script>")))
    events = await say(one, "draw")
    [finished] = [event for event in events if isinstance(event, dict) and event["type"] == "tool_finished"]
    image, page = finished["files"]
    assert (image["name"], image["media_type"]) == ("a_u202e.png", "image/png")
    assert (page["name"], page["media_type"]) == ("<b>.html", "application/octet-stream")
    read = one.bench.model.asked[-1][-1].text
    assert read.splitlines()[0] == "Drawn."
    assert read.splitlines()[2] == (
        '[file "<b>.html", application/octet-stream, 8 bytes: the user can open it, and you cannot read it]'
    )
    assert CANARY.decode() not in read
    *_, result, _ = await one.transcript()
    assert result.artifact["files"] == [image, page]
    found = await one.threads.files.read(OWNER.thread(THREAD), [image["id"], page["id"]])
    assert found == {image["id"]: PNG, page["id"]: b"<script>"}
    assert {*await one.threads.files.ids(OWNER.thread(THREAD))} == {image["id"], page["id"]}


async def test_file_is_absent_for_others_and_after_its_conversation_is_deleted(process: ProcessOf) -> None:
    one = process([DRAW, DONE], drawing(("a.png", PNG)))
    await say(one, "draw")
    [identifier] = await one.threads.files.ids(OWNER.thread(THREAD))
    bob = ThreadOwner.of(BOB)
    await one.threads.open(bob, THREAD)
    assert await one.threads.files.read(bob.thread(THREAD), [identifier]) == {}
    assert await one.threads.files.ids(bob.thread(THREAD)) == []
    await one.conversations.delete(ALICE, THREAD)
    assert await one.threads.files.read(OWNER.thread(THREAD), [identifier]) == {}


async def test_file_with_a_credential_of_the_run_is_not_kept(process: ProcessOf) -> None:
    token = ALICE.token.reveal()
    one = process([DRAW, DONE], drawing(("echo.bin", b"\0" + token.encode() + b"\0"), (f"{token}.txt", b"x")))
    events = await say(one, "draw")
    [finished] = [event for event in events if isinstance(event, dict) and event["type"] == "tool_finished"]
    assert [part["bytes"] for part in finished["files"]] == [1]
    assert (
        '[file "echo.bin", application/octet-stream, 10 bytes: not kept, and not shown]' in finished["result"]
    )
    assert token not in json.dumps(finished) + await everything(one)


async def test_file_that_is_too_large_or_one_too_many_is_not_kept(process: ProcessOf) -> None:
    large = ("large.bin", bytes(8 * 1024 * 1024 + 1))
    one = process([DRAW, DONE], drawing(large, *[(f"{n}.bin", b"x") for n in range(20)]))
    await say(one, "draw")
    assert len(await one.threads.files.ids(OWNER.thread(THREAD))) == 15


async def test_result_with_files_of_another_form_is_a_fault_of_the_tool() -> None:
    with pytest.raises(TypeError, match="each file of a result must be a name and bytes"):
        ToolResult("x", files=[("a", "text")])  # type: ignore[list-item]  # the refusal is under test


async def test_files_count_in_the_limits_of_storage(process: ProcessOf) -> None:
    limits = StorageLimits(thread_bytes=20_000)
    one = process([DRAW, DONE], drawing(("a.png", PNG), ("b.png", PNG + bytes(20_000))), limits=limits)
    events = await say(one, "draw")
    with pytest.raises(StorageLimitError) as refused:
        await say(one, "look", PNG + bytes(20_000))
    assert refused.value.code is AgentCode.CONVERSATION_FULL
    [finished] = [event for event in events if isinstance(event, dict) and event["type"] == "tool_finished"]
    assert [part["name"] for part in finished["files"]] == ["a.png"]
    assert "b.png" in finished["result"]


async def test_run_that_lost_its_thread_keeps_no_file(process: ProcessOf) -> None:
    one = process([DONE])
    await say(one, "hello")
    assert await one.threads.files.keep(RunKey(OWNER.thread(THREAD), "another-run"), PNG) is None
    assert await one.threads.files.ids(OWNER.thread(THREAD)) == []


async def test_run_that_is_not_kept_shows_the_model_its_images_and_keeps_nothing(process: ProcessOf) -> None:
    one = process([DRAW, DONE], drawing(("a.png", PNG)))
    reader = one.runs.start([asked("look", PNG)], ALICE, streaming=True)
    events = [event async for event in reader]
    assert images_in(one.bench.model.asked[0]) == images_in(one.bench.model.asked[1]) == [PNG]
    [finished] = [event for event in events if isinstance(event, dict) and event["type"] == "tool_finished"]
    assert "files" not in finished
    assert finished["result"].endswith("not kept, and not shown]")
