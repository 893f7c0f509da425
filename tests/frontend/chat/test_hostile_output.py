"""Hostile output of model and tools: scripts, resources, disguised links and markup have no effect."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.frontend import chat_page
from tests.frontend.chat_page import answered

pytestmark = pytest.mark.usefixtures("shipped_modules")

ELSEWHERE = "http://127.0.0.1:9"
"""The target of the payloads. Nothing listens there; the test sees a request before it is sent."""

_CORPUS = Path(__file__).with_name("hostile_output.json").read_text()
PAYLOADS: list[str] = json.loads(_CORPUS.replace("{elsewhere}", ELSEWHERE))
# fmt: off
LET_PASS = {
    "A", "BDI", "BLOCKQUOTE", "BR", "BUTTON", "CODE", "DEL", "DIV", "EM", "H3", "H4", "H5", "H6", "HR", "LI",
    "OL", "P", "PRE", "SPAN", "STRONG", "SUP", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL", "path",
    "svg",
}
# fmt: on
"""The elements of a rendered answer, with the page's own copy buttons."""


async def ask(page: Page) -> Any:
    await chat_page.ask(page, "go")
    return await answered(page)


async def test_no_payload_runs_or_loads_or_navigates(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    for payload in PAYLOADS:
        scripted_agent.will_answer({"reasoning_content": payload}, text=payload)
    scripted_agent.will_answer(*({"content": character} for character in "\n\n".join(PAYLOADS)))
    for _ in range(len(PAYLOADS) + 1):
        await ask(signed_in)

    facts = await signed_in.evaluate(
        """() => {
          const within = [...document.querySelectorAll('.prose *')];
          const links = within.filter((node) => node.matches('a'));
          const attributes = within.flatMap((node) => node.getAttributeNames());
          return {
            pwned: window.pwned ?? null,
            elements: [...new Set(within.map((node) => node.tagName))],
            schemes: [...new Set(links.map((link) => link.protocol))],
            handlers: attributes.filter((name) => /^(on|style$|id$|name$|src)/.test(name)),
          };
        }"""
    )
    assert facts["pwned"] is None
    assert set(facts["elements"]) <= LET_PASS
    assert set(facts["schemes"]) <= {"http:", "https:"}
    assert facts["handlers"] == []
    assert browser_context.origins == {"http://localhost:9001", scripted_agent.origin}


async def test_the_content_security_policy_alone_blocks_every_payload(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    """The payloads as HTML, without the parser and DOMPurify."""
    facts = await signed_in.evaluate(
        """async (payloads) => {
          const { blockFragment } = await import('/view/markdown.js');
          const place = document.createElement('div');
          document.body.append(place);
          place.append(...payloads.map((payload) => blockFragment({ html: () => payload })));
          const within = [...place.querySelectorAll('*')];
          return {
            pwned: window.pwned ?? null,
            elements: [...new Set(within.map((node) => node.tagName))],
            attributes: [...new Set(within.flatMap((node) => node.getAttributeNames()))],
          };
        }""",
        PAYLOADS,
    )
    assert facts["pwned"] is None
    assert set(facts["elements"]) <= LET_PASS - {"BUTTON", "SPAN", "DIV", "path", "svg"}
    assert set(facts["attributes"]) <= {"href", "target", "rel", "start", "align"}
    assert browser_context.origins == {"http://localhost:9001", scripted_agent.origin}


LINKS = {
    "[https://bank.example](https://elsewhere.example/x)": re.compile(
        r"https://bank\.example \(elsewhere\.example\)"
    ),
    "[Sign in again](https://elsewhere.example)": re.compile(r"Sign in again \(elsewhere\.example\)"),
    "[bank.example/elsewhere.example](https://elsewhere.example)": re.compile(r"\(elsewhere\.example\)"),
    "[x](https://xn--bnk-9na.example/)": re.compile(r"\(xn--bnk-9na\.example\)"),
    "https://b\u0430nk.example/x": re.compile(r"\(xn--bnk-6cd\.example\)"),  # a Cyrillic letter
    "[https://b\u0430nk.example](https://b\u0430nk.example)": re.compile(r"\(xn--bnk-6cd\.example\)"),
    "[\u202eknab](https://elsewhere.example)": re.compile(r"\\u202eknab \(elsewhere\.example\)"),
    "[&#x202e;knab](https://elsewhere.example)": re.compile(r"\\u202eknab \(elsewhere\.example\)"),
    "[\u05d0\u05d1](https://elsewhere.example)": re.compile(r"\(elsewhere\.example\)"),
    "https://example.com/page": re.compile(r"^https://example\.com/page$"),
}
"""The text of each link, by its Markdown. An address with its host in ASCII needs no other."""


async def test_link_shows_its_host(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(text="\n\n".join(LINKS))
    links = (await ask(signed_in)).get_by_role("link")
    await expect(links).to_have_count(len(LINKS))
    for place, text in enumerate(LINKS.values()):
        link = links.nth(place)
        await expect(link).to_have_text(text)
        await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
        await expect(link).to_have_attribute("target", "_blank")


FORMULAS = r"""
Energy is \( E = mc^2 \).

\[
\sqrt{\frac{a}{b}} + \text{<img src=x onerror="pwned=1">}
\]

$$\color{white}{x} \hspace{900em} \raisebox{90em}{z}$$

$$\style{position:fixed}{y}$$

\( \href{javascript:pwned=1}{x} \)

\( \frac{a \)
"""


async def test_formula_is_shown_and_has_no_colour_link_or_place_of_its_own(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_answer(text=FORMULAS)
    reports: list[str] = []
    signed_in.on("console", lambda message: reports.append(message.text))
    answer = await ask(signed_in)
    await expect(answer.locator("var.formula math, samp.formula math[display=block]")).to_have_count(3)
    await expect(answer.locator("samp.formula msqrt mfrac")).to_have_text("ab")
    await expect(answer.locator("var").last).to_have_text(
        r"\( \frac{a \)"
    )  # is none, and stays as it was written
    facts = await answer.locator(".formula *").evaluate_all(
        """(elements) => ({
          names: [...new Set(elements.map((element) => element.localName))],
          attributes: [...new Set(elements.flatMap((element) => element.getAttributeNames()))],
          widest: Math.max(...elements.map((element) => parseFloat(element.getAttribute('width') ?? '0'))),
        })"""
    )
    assert not {"img", "a", "annotation", "mpadded"} & set(facts["names"])
    assert not {"style", "href", "class", "mathcolor", "mathbackground", "onerror"} & set(facts["attributes"])
    assert facts["widest"] <= 20
    assert [text for text in reports if "Content Security Policy" in text] == []
    assert await signed_in.evaluate("window.pwned ?? null") is None
    assert browser_context.origins == {"http://localhost:9001", scripted_agent.origin}


HIDDEN = (
    "pay\u202e05\u202c, \u200bzero\U000e0041 and &#8238;reversed&#x202c;; `co\u2066de`"
    "\n\n```\nrm\u202e x\n```"
)


@pytest.mark.promise("seen-before-yes")
async def test_hidden_characters_of_a_model_are_escapes_in_text_code_thoughts_and_copies(
    signed_in: Page, scripted_agent: Any
):
    await signed_in.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    scripted_agent.will_answer({"reasoning_content": "think\u202e"}, text=HIDDEN)
    answer = await ask(signed_in)
    shown = await answer.evaluate("(answer) => answer.textContent")
    for escaped in (
        "pay\\u202e05\\u202c",
        "\\u200bzero\\udb40\\udc41",
        "\\u202ereversed",
        "co\\u2066de",
        "rm\\u202e x",
    ):
        assert escaped in shown
    await expect(answer.locator(".reasoning-text")).to_have_text("think\\u202e")
    await answer.get_by_role("button", name="Copy answer").click()
    await signed_in.wait_for_function("window.copied !== undefined")
    assert "\u202e" not in shown + await signed_in.evaluate("window.copied")


DEEP = (
    "> " * 2000 + "deep",
    "- " * 2000 + "deep",
    "> - " * 1000 + "deep",
    "\n".join("  " * depth + "- deep" for depth in range(500)),
    "\n".join("> " * depth + "- 1. deep" for depth in range(1, 60)),
)
DEPTH = """(answer) => Math.max(...[...answer.querySelectorAll('*')].map((node) => {
  let depth = 0;
  for (let at = node; at; at = at.parentElement) depth += at.matches('ul, ol, blockquote');
  return depth;
}))"""


async def test_deep_nesting_makes_the_page_no_wider(signed_in: Page, scripted_agent: Any):
    await signed_in.set_viewport_size({"width": 375, "height": 800})
    for text in DEEP:
        scripted_agent.will_answer(text=text)
        answer = await ask(signed_in)
        await expect(answer.locator(".prose")).to_contain_text("deep")
        assert await signed_in.evaluate("document.documentElement.scrollWidth") == 375
        assert await answer.evaluate(DEPTH) <= 9  # with the list of turns


async def test_hostile_tool_events_and_errors_are_text(signed_in: Page, scripted_agent: Any):
    markup = "<img src=x onerror='window.pwned = 1'>"
    event = {
        "type": "tool_finished",
        "tool": markup,
        "service": markup,
        "access_identity": markup,
        "ok": False,
    }
    scripted_agent.will_answer(
        {"agent_event": {**event, "duration_ms": 1, "error": markup, "scope": markup}}, text="x"
    )
    scripted_agent.will_refuse(502, markup, symptom=markup, cause=markup, remedy=markup)
    answer = await ask(signed_in)
    await expect(answer).to_contain_text(markup)
    await expect(answer).to_contain_text("identity unknown")
    await expect(await ask(signed_in)).to_contain_text(markup)
    assert await signed_in.evaluate("[window.pwned ?? null, document.querySelectorAll('img').length]") == [
        None,
        1,
    ]


async def test_inline_scripts_and_markup_sinks_are_closed_by_the_policy(signed_in: Page):
    violations = await signed_in.evaluate(
        """async () => {
          const seen = [];
          const connection = new Promise((resolve) => {
            document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
              if (effectiveDirective === 'connect-src') resolve(effectiveDirective);
            });
          });
          const refused = async (name, attempt) => {
            try { await attempt(); } catch { seen.push(name); }
          };
          const script = document.createElement('script');
          await refused('script', () => { script.text = 'window.pwned = 1'; document.head.append(script); });
          await refused('innerHTML', () => { document.createElement('div').innerHTML = '<b>x</b>'; });
          await refused('onclick', () => { document.body.setAttribute('onclick', 'window.pwned = 1'); });
          await refused('fetch', () => fetch('https://elsewhere.example/'));
          document.body.click();
          seen.push(await connection);
          return { seen, pwned: window.pwned ?? null };
        }"""
    )
    assert violations["pwned"] is None
    assert set(violations["seen"]) >= {"script", "innerHTML", "onclick", "fetch", "connect-src"}
