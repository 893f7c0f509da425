"""Images on the page: attached to a question, taken away, kept; and files that tools return."""

import asyncio
import base64
import struct
import zlib
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from playwright.async_api import Download, Page, Route, expect

from tests.frontend.axe import violations
from tests.frontend.chat_page import ask, ask_edited, question
from tests.frontend.lasting_agent import LastingAgent, listed, prose
from tests.frontend.reports import PAGE
from tests.graph.scripted_model import calls


def png(width: int, height: int) -> bytes:
    """An image of one colour, with a text that a camera may have written."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\x20\x40\x80" * width) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tEXt", b"Comment\0canary-of-a-camera"), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def file(name: str, data: bytes, kind: str = "image/png") -> Any:
    return {"name": name, "mimeType": kind, "buffer": data}


async def choose(page: Page, *files: Any) -> None:
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Attach images").click()
    await (await chooser.value).set_files(list(files))


async def saved(download: Download) -> bytes:
    return await asyncio.to_thread(Path(await download.path()).read_bytes)


def attached(page: Page) -> Any:
    return page.get_by_role("list", name="Attached images").get_by_role("img")


async def test_image_is_shown_before_it_is_sent_and_kept_with_its_question(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(AIMessage("It is blue"))
    await lasting_agent.open_page(page)
    await choose(
        page,
        file("sea.png", png(3000, 20)),
        file("sky.png", png(4, 4)),
        file("notes.txt", b"x", "text/plain"),
    )
    await expect(attached(page)).to_have_count(2)
    await expect(page.locator("[role=status]").last).to_have_text("notes.txt is no image that can be read.")
    await page.get_by_role("button", name="Remove sky.png").click()
    await ask(page, "Which colour is it?")
    await expect(prose(page)).to_have_text("It is blue")
    await expect(attached(page)).to_have_count(0)
    [words, image] = lasting_agent.model.asked[-1][-1].content
    assert words == {"type": "text", "text": "Which colour is it?"}
    head, _, data = image["image_url"]["url"].partition(",")
    assert head == "data:image/webp;base64"
    assert b"canary" not in base64.b64decode(data)
    await page.reload()
    shown = page.get_by_role("list", name="Files").get_by_role("img", name="Image image.webp")
    await expect(shown).to_have_js_property("naturalWidth", 1600)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save image.webp").click()
    assert await saved(await download.value) == base64.b64decode(data)


async def test_image_can_be_pasted_and_an_edited_question_keeps_it(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(AIMessage("Blue"))
    await lasting_agent.open_page(page)
    await page.get_by_role("button", name="Attach images").wait_for()
    await page.evaluate(
        """async (base64) => {
          const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([bytes], 'pasted.png', {type: 'image/png'}));
          const event = new ClipboardEvent('paste', {clipboardData, bubbles: true});
          document.getElementById('question').dispatchEvent(event);
        }""",
        base64.b64encode(png(4, 4)).decode(),
    )
    await expect(attached(page)).to_have_count(1)
    await ask(page, "What is it?")
    await page.get_by_role("button", name="Edit question").click()
    await ask_edited(page, "Which colour is it?")
    await expect(page.locator(".version")).to_have_text("2 of 2")
    await expect(page.get_by_role("list", name="Files").get_by_role("img")).to_have_count(1)
    sent = [message[-1].content for message in lasting_agent.model.asked[-2:]]
    assert sent[0][1] == sent[1][1]
    assert sent[1][0]["text"] == "Which colour is it?"


async def test_image_of_a_question_that_was_stored_nevertheless_is_not_sent_with_the_next(
    page: Page, lasting_agent: LastingAgent
) -> None:
    async def lose_the_response(route: Route) -> None:
        await route.fetch()
        await route.abort()

    lasting_agent.will_say(AIMessage("Blue"))
    await lasting_agent.open_page(page)
    await choose(page, file("sky.png", png(4, 4)))
    await expect(attached(page)).to_have_count(1)
    await page.route("**/ag-ui/agent", lose_the_response)
    await page.route("**/threads/*", lambda route: route.abort())
    await ask(page, "Which colour is it?")
    await expect(page.locator(".refusal")).to_contain_text("It is in the field again")
    await expect(attached(page)).to_have_count(1)
    await page.unroute("**/threads/*")
    await listed(page).first.click()
    await expect(prose(page)).to_have_text("Blue")
    await expect(question(page)).to_have_value("")
    await expect(attached(page)).to_have_count(0)


async def test_files_of_a_tool_are_shown_and_saved_and_a_page_among_them_is_never_one(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(calls(("draw_chart", {})), AIMessage("There it is"))
    await lasting_agent.asked(page, "Draw it")
    await expect(prose(page)).to_have_text("There it is")
    files = page.get_by_role("list", name="Files")
    await expect(files.get_by_role("img", name="Image chart.gif")).to_have_count(1)
    async with page.expect_download() as download:
        await files.get_by_role("button", name="Save chart.svg.html").click()
    assert await saved(await download.value) == PAGE
    assert await page.title() != "taken over"
    assert await violations(page) == []
