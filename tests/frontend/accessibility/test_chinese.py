"""axe-core over the page in Chinese, whose words, and so whose widths and lines, are others."""

from langchain_core.messages import AIMessage
from playwright.async_api import Page

from tests.frontend.axe import NARROW_IN_THE_DARK, violations
from tests.frontend.chat_page import PAGE
from tests.frontend.lasting_agent import APPLY, LastingAgent
from tests.graph.scripted_model import calls
from tests.leave_application import APPLIES

VIEWS = ("等待你处理", "智能体为你做了什么", "智能体可以为你做什么")
"""What waits, what was done, and what may be done."""


async def test_no_state_in_chinese_violates_a_rule(page: Page, lasting_agent: LastingAgent) -> None:
    states: dict[str, list[str]] = {}
    await page.add_init_script(  # not in the frames of others
        f"if (origin === {PAGE.rstrip('/')!r}) localStorage.setItem('idaas-agent.language', 'zh')"
    )
    await page.goto(PAGE)
    await page.get_by_role("button", name="使用 IDaaS 登录").wait_for()
    states["before the sign-in"] = await violations(page, NARROW_IN_THE_DARK)

    weather = calls(("maps_weather", {"city": "杭州"}))
    lasting_agent.will_say(weather, AIMessage("杭州**晴。**"), APPLIES, AIMessage("已申请。"))
    await lasting_agent.open_page(page)
    states["empty conversation"] = await violations(page, NARROW_IN_THE_DARK)
    await page.locator("#question").fill("杭州现在天气怎么样？")
    await page.locator("#question").press("Enter")
    await page.get_by_role("button", name="重新提问").wait_for()
    states["answer"] = await violations(page, NARROW_IN_THE_DARK)
    await page.locator("#question").fill(APPLY)
    await page.locator("#question").press("Enter")
    await page.get_by_role("button", name="批准").wait_for()
    states["card"] = await violations(page, NARROW_IN_THE_DARK)
    await page.locator("#question").fill("好的")
    await page.get_by_role("button", name="批准上面的调用").wait_for()
    states["card and a typed yes"] = await violations(page, [("light", 1280), ("dark", 1280)])
    for name in VIEWS:
        await page.get_by_title("更多").click()
        await page.locator(".menu .panel").get_by_role("button", name=name).click()
        view = page.get_by_role("dialog", name=name)
        await view.locator(".card, .open").first.wait_for()
        states[name] = await violations(page, NARROW_IN_THE_DARK)
        await page.keyboard.press("Escape")
        await view.wait_for(state="detached")

    assert {state: found for state, found in states.items() if found} == {}
