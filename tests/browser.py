"""The browser of tests: Chromium without a window."""

import shutil

from playwright.async_api import Browser, Playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first of these programs is used. One without a user interface needs a third of the processor time."""


async def launch(playwright: Playwright, *arguments: str) -> Browser:
    """Starts it."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    assert executable is not None, "Chromium is needed: run scripts/ensure-chromium"
    options = (
        "--no-sandbox",
        "--disable-gpu",
        "--in-process-gpu",  # a process less
        "--js-flags=--no-opt",  # a page lives for a second: optimizing its code takes longer than it saves
        "--renderer-process-limit=1",  # a new page uses the process of an open one, as tabs may
        "--num-raster-threads=1",
        "--disable-background-networking",
        "--disable-component-update",
    )
    return await playwright.chromium.launch(
        executable_path=executable, args=[*options, "--disable-sync", "--no-first-run", *arguments]
    )
