"""The recorded demo of the README: from the sign-in to an answer with an approval, as one animated picture.

    python frontend/screenshots.py docs/images demo

Chromium takes each frame as WebP; the frames are joined here. The cloud is the sandbox.
"""

import base64
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from playwright.async_api import Page

SIZE = {"width": 1000, "height": 660}
"""Of the page; its caption is below it."""
CAPTION_HEIGHT = 44
WEATHER = "What is the weather in Hangzhou right now?"
APPLY = "Apply for three days of leave from Monday"
QUALITY = 82
STAGE = f"""<body style="margin:0; background:#1b2a4e; color:#fff; text-align:center">
<img style="display:block"><p style="margin:0; font:600 17px/{CAPTION_HEIGHT}px system-ui, sans-serif">"""
SHOW = """async ([picture, caption]) => {
  document.querySelector('p').textContent = caption;
  const image = document.querySelector('img');
  image.src = 'data:image/png;base64,' + picture;
  await image.decode();
}"""


@dataclass
class Recording:
    """The frames so far, each with its milliseconds: what `page` shows, with the caption, on `stage`."""

    page: Page
    stage: Page
    frames: list[tuple[bytes, int]] = field(default_factory=list)
    caption: str = ""

    async def take(self, milliseconds: int) -> None:
        shown = base64.b64encode(await self.page.screenshot()).decode()
        await self.stage.evaluate(SHOW, [shown, self.caption])
        client = await self.stage.context.new_cdp_session(self.stage)
        taken = await client.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        await client.detach()
        frame = base64.b64decode(taken["data"])
        if self.frames and self.frames[-1][0] == frame:
            self.frames[-1] = (frame, self.frames[-1][1] + milliseconds)
        else:
            self.frames.append((frame, milliseconds))

    async def type(self, place: str, text: str) -> None:
        for end in range(12, len(text) + 12, 12):
            await self.page.locator(place).fill(text[:end])
            await self.take(180)
        await self.take(600)

    async def until(self, shown: str) -> None:
        """Follows what happens until it is there."""
        while not await self.page.locator(shown).count():
            await self.take(160)
            await self.page.wait_for_timeout(160)
        await self.page.wait_for_timeout(250)  # transitions


async def record(page: Page, sign_in: Callable[[Page], Awaitable[None]]) -> bytes:
    """Plays the demo on the page before the sign-in. `sign_in` does what a person does there."""
    stage = await page.context.new_page()
    height = SIZE["height"] + CAPTION_HEIGHT
    await stage.set_viewport_size({"width": SIZE["width"], "height": height})
    await stage.set_content(STAGE)
    recording = Recording(page, stage, caption="The agent acts only for people whom it knows")
    await page.locator("button.large").wait_for()
    await recording.take(2800)
    recording.caption = "The company's sign-in, at IDaaS: the page never sees the password"
    await page.locator("button.large").click()
    await page.get_by_label("User name").wait_for()
    await recording.take(2400)
    await sign_in(page)
    recording.caption = "A question that needs a service"
    await recording.take(1200)
    await recording.type("#question", WEATHER)
    await page.keyboard.press("Enter")
    recording.caption = "IDaaS issues each credential when it is needed; the answer says whose rights it used"
    await recording.until(".turn:last-child .actions")
    await recording.take(3800)
    recording.caption = "A request that changes something"
    await recording.type("#question", APPLY)
    await page.keyboard.press("Enter")
    recording.caption = "The agent waits: what would be called, with which arguments, under whose rights"
    await recording.until(".approval")
    await recording.take(5200)
    recording.caption = "Approved by the person, once, for exactly this call"
    await page.locator("[data-name=approve]").hover()
    await recording.take(1400)
    await page.locator("[data-name=approve]").click()
    await recording.until(".turn:last-child .actions")
    await recording.take(4200)
    recording.caption = "Each call, its arguments and its rights stay with the conversation"
    await page.locator(".turn:last-child .tool > summary").first.click()
    await page.wait_for_timeout(250)
    await recording.take(5200)
    return animated_webp(recording.frames, SIZE["width"], height)


def animated_webp(frames: Sequence[tuple[bytes, int]], width: int, height: int) -> bytes:
    """Joins still pictures in WebP of this size, each shown for its milliseconds, into one that repeats."""
    parts = [chunk(b"VP8X", bytes([2, 0, 0, 0]) + int24(width - 1) + int24(height - 1))]
    parts.append(chunk(b"ANIM", struct.pack("<IH", 0, 0)))
    for frame, milliseconds in frames:
        place = int24(0) + int24(0) + int24(width - 1) + int24(height - 1) + int24(milliseconds) + b"\2"
        parts.append(chunk(b"ANMF", place + picture(frame)))
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def picture(still: bytes) -> bytes:
    """The chunk of a still WebP that has the picture."""
    position = 12
    while position < len(still):
        kind, size = (
            still[position : position + 4],
            int.from_bytes(still[position + 4 : position + 8], "little"),
        )
        end = position + 8 + size + size % 2
        if kind in (b"VP8 ", b"VP8L"):
            return still[position:end]
        position = end
    raise ValueError("no picture in it")


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def int24(value: int) -> bytes:
    return value.to_bytes(3, "little")
