"""axe-core in the page: WCAG 2.2 AA and best practice, as far as a program can check."""

from pathlib import Path

from playwright.async_api import Page

AXE = (Path(__file__).resolve().parents[2] / "frontend/node_modules/axe-core/axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

LOOKS = [("light", 1280), ("dark", 1280), ("light", 360)]
NARROW_IN_THE_DARK = [*LOOKS, ("dark", 360)]
"""For states with other colours on a phone, where the chain covers the conversation."""
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
"""The rules about colours, sufficient in the dark scheme after a full check in the light one."""


async def violations(page: Page, looks: list[tuple[str, int]] = LOOKS) -> list[str]:
    """The violations of the page's present state, light and dark, wide and narrow."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE)
    found = []
    for scheme, width in looks:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type] # a literal
        await page.set_viewport_size({"width": width, "height": 800})
        # What lies half below the composer counts as small: look at the same part every time.
        await page.evaluate("document.documentElement.scrollTop = document.documentElement.scrollHeight")
        only = (
            {"type": "rule", "values": COLOUR_RULES} if scheme == "dark" else {"type": "tag", "values": RULES}
        )
        found += await page.evaluate(
            """async ([runOnly, look]) => (await axe.run(document, { runOnly })).violations.map(
              ({ id, nodes }) => `${look} ${id}: ${nodes.map(({ html }) => html).join(' | ')}`)""",
            [only, f"{scheme} {width}"],
        )
    return found
