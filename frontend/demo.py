"""The recorded demo of the README: two minutes, from the sign-in to a revocation, as one animated picture.

    python frontend/screenshots.py docs/images demo

Chromium takes each frame as WebP; the frames are joined here. The cloud is the sandbox.
"""

import base64
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Page

SIZE = {"width": 1000, "height": 660}
"""Of the page; its caption is below it."""
CAPTION_HEIGHT = 44
WEATHER = "What is the weather in Hangzhou right now?"
LEFT = "How many days of leave do I have left?"
APPLY = "Apply for three days of leave from Monday"
CANCEL = "Cancel my leave from Monday"
ENDED = ".turn:last-child .actions"
"""The last answer has ended."""
FIRST = datetime.now(UTC).date() + timedelta(days=7)
FIRST += timedelta(days=7 - FIRST.weekday())
"""A Monday on which Alice is not on leave yet: the sandbox has a leave of hers after it."""
SECOND = FIRST + timedelta(days=2)
ONE_DAY = "Apply for one day of leave on {0:%B} {0.day}"
SERVICES = f"""
[services.vacation]
type = "http"
title.en = "the leave service"
url = "{{url}}"
access_token = "{{scope}}"
access_identity = "Human"
python = "tools.leave:service"
policies.leave_cancel = {{{{ effect = "write", approvers = "hr" }}}}
[services.vacation.titles]
leave_balance.title.en = "See the leave that is left"
leave_applications.title.en = "List applications for leave"
leave_cancel.title.en = "Cancel leave"
leave_cancel.arguments.first_day.en = "First day"
[services.vacation.titles.leave_apply]
title.en = "Apply for leave"
arguments.days.en = "Days"
arguments.first_day.en = "First day"
[services.vacation.policies.leave_apply]
effect = "write"
[services.vacation.policies.leave_apply.lasting]
seconds = 7200
conversation_only = false
bounds.days = {{{{ min = 1, max = 5 }}}}
bounds.first_day = {{{{ prefix = "{FIRST:%Y-}" }}}}
"""
"""`leave_apply` may be approved for longer, and another person decides about `leave_cancel`."""
APPROVER = {"groups": ["hr"]}
"""Claims of the person who decides."""
SignIn = Callable[[Page], Awaitable[None]]
QUALITY = 82
STAGE = f"""<body style="margin:0; background:#1b2a4e; color:#fff; text-align:center">
<img style="display:block"><p style="margin:0; font:600 17px/{CAPTION_HEIGHT}px system-ui, sans-serif">
<pre style="position:fixed; inset:auto 0 {CAPTION_HEIGHT}px; margin:0; padding:16px 24px; background:#10131a;
color:#d7e0ea; font:15px/1.6 monospace; text-align:left; white-space:pre-wrap" hidden>"""
SHOW = """async ([picture, caption, terminal]) => {
  document.querySelector('p').textContent = caption;
  const screen = document.querySelector('pre');
  screen.textContent = terminal;
  screen.hidden = terminal === '';
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
    terminal: str = ""

    async def take(self, milliseconds: int) -> None:
        shown = base64.b64encode(await self.page.screenshot()).decode()
        await self.stage.evaluate(SHOW, [shown, self.caption, self.terminal])
        client = await self.stage.context.new_cdp_session(self.stage)
        taken = await client.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        await client.detach()
        frame = base64.b64decode(taken["data"])
        if self.frames and self.frames[-1][0] == frame:
            self.frames[-1] = (frame, self.frames[-1][1] + milliseconds)
        else:
            self.frames.append((frame, milliseconds))

    async def ask(self, question: str) -> None:
        for end in range(14, len(question) + 14, 14):
            await self.page.locator("#question").fill(question[:end])
            await self.take(220)
        await self.take(900)
        await self.page.keyboard.press("Enter")

    async def until(self, shown: str) -> None:
        """Follows what happens until it is there."""
        while not await self.page.locator(shown).count():
            await self.take(160)
            await self.page.wait_for_timeout(160)
        await self.page.wait_for_timeout(250)  # transitions


def with_rules(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The agent's environment, with the leave service declared by a file in the folder."""
    url, scope = environment["LEAVE_SERVICE_URL"], environment["LEAVE_SERVICE_SCOPE"]
    file = folder / "services.toml"
    file.write_text(SERVICES.format(url=url, scope=scope))
    ours = {
        "LEAVE_SERVICE_URL": "",
        "LEAVE_SERVICE_SCOPE": "",
        "SERVICES_FILE": str(file),
        "CALLER_CLAIMS": "groups",
    }
    return {**environment, **ours}


async def record(alice: Page, bob: Page, sign_in: SignIn, revoke: Callable[[], Awaitable[str]]) -> bytes:
    """Plays the demo: Alice's page before the sign-in, and Bob's after it.

    `sign_in` does what a person does at IDaaS, `revoke` what an operator does, whose terminal it returns.
    """
    stage = await alice.context.new_page()
    height = SIZE["height"] + CAPTION_HEIGHT
    await stage.set_viewport_size({"width": SIZE["width"], "height": height})
    await stage.set_content(STAGE)
    recording = Recording(alice, stage)
    await _known_people(recording, sign_in)
    await _changed_and_approved(recording)
    await _approved_for_longer(recording)
    await _decided_by_another(recording, bob)
    await _rights(recording)
    await _revoked(recording, revoke)
    return animated_webp(recording.frames, SIZE["width"], height)


async def _known_people(recording: Recording, sign_in: SignIn) -> None:
    page = recording.page
    recording.caption = "An agent that acts only for people whom it knows"
    await page.locator("button.large").wait_for()
    await recording.take(3500)
    recording.caption = "The company's sign-in, at IDaaS: the page never sees the password"
    await page.locator("button.large").click()
    await page.get_by_label("User name").wait_for()
    await recording.take(3500)
    await sign_in(page)
    recording.caption = "A question that needs a service"
    await recording.ask(WEATHER)
    recording.caption = "Machine: called with the agent's own rights. IDaaS issued each credential just now"
    await recording.until(ENDED)
    await recording.take(6500)
    recording.caption = "A question about the person"
    await recording.ask(LEFT)
    recording.caption = "Human: called with Alice's rights. IDaaS exchanged the sign-in for a service token"
    await recording.until(ENDED)
    await recording.take(6000)
    recording.caption = "Who acted for whom: each link of the chain, for each answer"
    await page.locator(".chain summary").click()
    await page.wait_for_timeout(250)
    await recording.take(6000)
    await page.locator(".chain summary").click()


async def _changed_and_approved(recording: Recording) -> None:
    page = recording.page
    recording.caption = "A request that changes something"
    await recording.ask(APPLY)
    recording.caption = "The agent waits: what it would call, with which arguments, under whose rights"
    await recording.until(".approval")
    await recording.take(6500)
    recording.caption = "Alice changes what is called: two days, not three"
    await page.locator("[data-name=edit]").click()
    await recording.take(1800)
    await page.locator(".fields input").first.fill("2")
    await recording.take(2600)
    recording.caption = "Approved once, for exactly this call"
    await page.locator("[data-name=approve_edited]").click()
    await recording.until(ENDED)
    await recording.take(5000)


async def _approved_for_longer(recording: Recording) -> None:
    page = recording.page
    recording.caption = "One more of the same kind"
    await recording.ask(ONE_DAY.format(FIRST))
    await recording.until(".approval")
    recording.caption = "Approve more calls: it begins with the least"
    await page.locator("[data-name=approve_lasting]").click()
    await page.wait_for_timeout(250)
    await recording.take(4000)
    recording.caption = "Alice widens it, within bounds that the company allows"
    time, _, which = await page.locator(".approval .fields select").all()
    await time.select_option("7200")
    await which.select_option("bounds")
    await page.wait_for_timeout(250)
    await recording.take(5500)
    await page.locator("[data-name=approve_these]").click()
    recording.caption = "Approved for two hours"
    await recording.until(ENDED)
    await recording.take(2500)
    recording.caption = "Within these bounds, the agent does not ask again"
    await recording.ask(ONE_DAY.format(SECOND))
    await recording.until(ENDED)
    await recording.take(4500)


async def _decided_by_another(recording: Recording, bob: Page) -> None:
    alice = recording.page
    recording.caption = "A call about which another person decides"
    await recording.ask(CANCEL)
    recording.caption = "Four eyes: Alice alone cannot approve this"
    await recording.until(".approval")
    await recording.take(5000)
    recording.caption = "Bob, of “hr”, sees that something waits"
    recording.page = bob
    await bob.reload()
    await bob.locator(".waiting-count:visible").wait_for()
    await recording.take(2500)
    await bob.locator(".waiting-count").click()
    await recording.until("[role=dialog] .approval, dialog .approval")
    recording.caption = "Bob decides about the call; Alice's conversation stays hers"
    await recording.take(6000)
    await bob.locator(".inbox [data-name=approve]").click()
    await bob.locator(".inbox .approval").wait_for(state="detached")
    recording.caption = "Approved by another person, once, for exactly this call"
    await recording.take(2500)
    recording.page = alice
    recording.caption = "Alice goes on. The call is made with Alice's rights, not with Bob's"
    await alice.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await alice.locator("[data-name=go_on]").click()
    await recording.until(ENDED)
    await recording.take(4500)


async def _rights(recording: Recording) -> None:
    page = recording.page
    recording.caption = "What this agent may do for Alice, at any time"
    await page.locator(".menu > summary").click()
    await recording.take(1800)
    await page.locator(".menu .icon-key").click()
    await page.locator(".service summary").first.wait_for()
    await page.wait_for_timeout(250)
    await recording.take(5000)
    recording.caption = "What was approved for longer ends at a click"
    await page.locator(".grant .actions button").last.click()
    await page.locator(".grant").wait_for(state="detached")
    await recording.take(2500)
    recording.caption = "Each tool: allowed, asks Alice, or asks another person; and whose rights a call uses"
    await page.locator(".service", has_text="leave service").locator("summary").click()
    await page.locator(".service li", has_text="Cancel leave").scroll_into_view_if_needed()
    await page.wait_for_timeout(250)
    await recording.take(6000)
    await page.keyboard.press("Escape")


async def _revoked(recording: Recording, revoke: Callable[[], Awaitable[str]]) -> None:
    recording.caption = "An incident: the operator ends Alice's access"
    recording.terminal = await revoke()
    await recording.take(6000)
    recording.caption = "From now on, Alice's token is refused, although it has not expired"
    recording.terminal = ""
    await recording.ask(LEFT)
    await recording.until(ENDED)
    await recording.take(6500)


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
