"""Pictures of the page, with the sandbox, the agent and Chromium: `python frontend/screenshots.py FOLDER`.

Chinese text needs a font that has it, such as Debian's `fonts-wqy-microhei`.

Look at them after a change of the page. Into `docs/images` go `chat.png` (of `docs/page.md`), `chat-zh.png`,
`dark.png`, `phone.png`, `error.png`, and `welcome.png` as `sign-in.png`.
`python frontend/screenshots.py docs/images demo` records `demo.webp` alone.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import demo
import httpx
from playwright.async_api import Browser, Page, Route, async_playwright

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.http.web_server import listen, web_server
from agent.settings.settings import read_settings
from sandbox.commands.page_server import page_application
from sandbox.commands.sandbox_options import PageGrant, sandbox_page_config
from sandbox.faults.faults import Fault
from sandbox.server.server import RunningSandbox, SandboxOptions, start_sandbox

FRONTEND = Path(__file__).resolve().parent
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
WEATHER = "What is the weather in Hangzhou right now?"
ENTERPRISE = "Call my enterprise service"
LEAVE = "How many days of leave do I have left?"
APPLY = "Apply for three days of leave from Monday"
WEATHER_ZH, APPLY_ZH = "杭州现在天气怎么样？", "从周一开始请三天年假"
RUN_ROUTE = "**/ag-ui/agent"
LIMITED = {
    "error": {"code": "rate_limited", "message": "", "request_id": "9c1d4e7a2b60f835", "retry_after": 42}
}
COMPANY = {
    "PRODUCT_NAME": "Acme Assistant",
    "ACCENT_COLOR": "#0a7d5a",
    "SUGGESTIONS": ["Who is on duty this week?", "Book a meeting room for tomorrow"],
    "LOGO_URL": "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 28 28'%3E"
    "%3Crect width='28' height='28' rx='4' fill='%230a7d5a'/%3E%3C/svg%3E",
}


class Photographer:
    """Takes the pictures, one browser context for each appearance of the page."""

    def __init__(
        self, browser: Browser, page_url: str, agent_url: str, sandbox: RunningSandbox, folder: Path
    ) -> None:
        self.browser = browser
        self.page_url = page_url
        self.agent_url = agent_url
        self.sandbox = sandbox
        self.folder = folder

    async def page(self, look: Mapping[str, Any] = MappingProxyType({})) -> Page:
        context = await self.browser.new_context(**{"locale": "en-US", "viewport": DESKTOP} | look)
        page: Page = await context.new_page()
        await page.goto(self.page_url)
        return page

    async def shoot(self, page: Page, name: str) -> None:
        await page.wait_for_timeout(250)  # transitions
        await page.screenshot(path=self.folder / f"{name}.png")

    async def sign_in(self, page: Page, user: str = "alice") -> None:
        """Each picture begins without the conversations of the one before."""
        headers = {"Authorization": f"Bearer {self.sandbox.cloud.user_token(user)}"}
        async with httpx.AsyncClient(trust_env=False) as http:
            (await http.delete(f"{self.agent_url}/threads", headers=headers)).raise_for_status()
        await page.locator("button.large").click()
        await page.get_by_label("User name").fill(user)
        await page.get_by_label("Password").fill(getattr(self.sandbox.cloud.secrets, f"{user}_password"))
        await page.get_by_role("button", name="Sign in").click()
        await page.locator("#question").wait_for()

    async def ask(self, page: Page, question: str) -> None:
        await page.locator("#question").fill(question)
        await page.keyboard.press("Enter")
        await page.locator(".turn:last-child .actions").wait_for()

    async def try_to_ask(self, page: Page, question: str) -> None:
        """A question that is not taken."""
        await page.locator("#question").fill(question)
        await page.keyboard.press("Enter")
        await page.locator(".refusal .failure").wait_for()

    async def record_demo(self, environment: Mapping[str, str]) -> None:
        """`environment` is the agent's, for its operator's terminal."""
        alice, bob = [await self.page({"viewport": demo.SIZE}) for _ in range(2)]
        cloud = self.sandbox.cloud
        person = json.dumps([cloud.addresses.issuer, "user_bob01"])
        token = cloud.user_token("bob", claims=demo.APPROVER)
        session = json.dumps({"accessToken": token, "subject": "user_bob01", "person": person, "name": "Bob"})
        await bob.evaluate("(session) => sessionStorage.setItem('idaas-agent.session', session)", session)

        async def sign_in(page: Page) -> None:
            await page.get_by_label("User name").fill("alice")
            await page.get_by_label("Password").fill(cloud.secrets.alice_password)
            await page.get_by_role("button", name="Sign in").click()
            await page.locator("#question").wait_for()

        async def revoke() -> str:
            command = ["revoke", "--user", "user_alice01"]
            process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("idaas-agent")), *command, stdout=PIPE, env=environment
            )
            shown, _ = await process.communicate()
            return f"$ idaas-agent {' '.join(command)}\n{shown.decode()}"

        (self.folder / "demo.webp").write_bytes(await demo.record(alice, bob, sign_in, revoke))

    async def take_all(self) -> None:
        chinese = {"locale": "zh-CN"}
        for name, look, question, request in (
            ("chat", {}, WEATHER, APPLY),
            ("chat-zh", chinese, WEATHER_ZH, APPLY_ZH),
        ):
            page = await self.page(look)
            await self.sign_in(page)
            await self.ask(page, question)
            await page.locator(".new:visible").click()
            await page.locator("#question").fill(request)
            await page.keyboard.press("Enter")
            await page.locator(".approval").wait_for()
            await page.mouse.move(0, 0)
            await self.shoot(page, name)

        page = await self.page()
        await self.shoot(page, "welcome")
        await page.locator("button.large").click()
        await page.get_by_label("User name").wait_for()
        await self.shoot(page, "sign-in")

        page = await self.page()
        await self.sign_in(page)
        await self.shoot(page, "first-questions")
        await self.ask(page, WEATHER)
        await self.ask(page, f"{ENTERPRISE}. {LEAVE}")
        await self.shoot(page, "two-tools")
        self.sandbox.cloud.faults.set("function_compute", Fault(status=500))
        await self.ask(page, ENTERPRISE)
        await page.locator(".turn:last-child .tool > summary").first.click()
        await self.shoot(page, "tool-failed")
        self.sandbox.cloud.faults.clear()
        self.sandbox.cloud.faults.set("model_studio", Fault(status=500))
        await self.ask(page, "Hello")
        await self.shoot(page, "error")
        self.sandbox.cloud.faults.clear()

        for name, look in {
            "dark": {"color_scheme": "dark"},
            "phone": {"viewport": PHONE, "device_scale_factor": 1.5, "is_mobile": True, "has_touch": True},
            "phone-zh-dark": {
                "viewport": PHONE,
                "color_scheme": "dark",
                "locale": "zh-CN",
                "device_scale_factor": 1.5,
            },
            "narrow": {"viewport": {"width": 360, "height": 740}},
            "wide": {"viewport": {"width": 1920, "height": 1080}},
        }.items():
            page = await self.page(look)
            await self.shoot(page, f"{name}-welcome")
            await self.sign_in(page)
            await self.shoot(page, f"{name}-first-questions")
            chinese = look.get("locale") == "zh-CN"
            await self.ask(page, WEATHER_ZH if chinese else WEATHER)
            await self.ask(page, "调用我的企业服务" if chinese else ENTERPRISE)
            await self.shoot(page, name)
            if look.get("viewport") == PHONE:
                await page.locator(".chain summary").click()
                await self.shoot(page, f"{name}-chain")

        await self.take_states()
        await self.take_conversations()

        page = await self.page()
        await page.goto("about:blank")
        await page.goto(f"{self.page_url}#access_token=x&state=forged")
        await self.shoot(page, "forged")

    async def take_conversations(self) -> None:
        """The list of conversations and the card of an approval, by device and language."""
        phone = {"viewport": PHONE, "device_scale_factor": 1.5, "is_mobile": True, "has_touch": True}
        for name, look in {
            "": {},
            "-dark": {"color_scheme": "dark"},
            "-zh": {"locale": "zh-CN"},
            "-phone": phone,
            "-phone-zh-dark": phone | {"locale": "zh-CN", "color_scheme": "dark"},
            "-tablet": {"viewport": {"width": 900, "height": 700}},
        }.items():
            page = await self.page(look)
            await self.sign_in(page)
            folded = "viewport" in look
            if folded:
                await page.locator(".conversations > summary").click()
            await self.shoot(page, f"list{name}")
            if folded:
                await page.keyboard.press("Escape")
            chinese = look.get("locale") == "zh-CN"
            await page.locator(".menu > summary").click()
            await page.locator(".menu .icon-key").click()
            await page.locator(".service summary").first.click()
            await self.shoot(page, f"rights{name}")
            await page.keyboard.press("Escape")
            await page.locator("#question").fill(APPLY_ZH if chinese else APPLY)
            await page.keyboard.press("Enter")
            await page.locator(".approval").wait_for()
            await self.shoot(page, f"card{name}")
            await page.locator("[data-name=edit]").click()
            await page.locator(".fields input").first.fill("0.5")
            await page.locator("[data-name=approve_edited]").click()
            await self.shoot(page, f"card-edit{name}")
            await page.locator("[data-name=back]").click()
            await page.locator("[data-name=decline]").click()
            await self.shoot(page, f"card-decline{name}")
            await page.locator("[data-name=decline_now]").click()
            await page.locator(".turn:last-child .actions").last.wait_for()
            if folded:
                await page.locator(".conversations > summary").click()
            await page.locator(".conversations .change button").nth(-2).click()
            await self.shoot(page, f"list-rename{name}")
            await page.keyboard.press("Escape")
            await page.locator(".conversations .change button").last.click()
            await page.locator(".conversations .notice button").wait_for()
            await self.shoot(page, f"list-deleted{name}")
            await page.locator(".conversations input").fill("zzz")
            await page.locator(".conversations p.note").wait_for()
            await self.shoot(page, f"list-search{name}")

    async def take_states(self) -> None:
        """Less common states: a refused call, waiting, an unreachable agent, undo, another appearance."""
        phone = {"viewport": PHONE, "device_scale_factor": 1.5}
        for name, look in {"bob": {}, "bob-phone-zh": phone | {"locale": "zh-CN"}}.items():
            page = await self.page(look)
            await self.sign_in(page, "bob")
            await self.ask(page, "我还剩多少天年假？" if look else LEAVE)
            await page.locator(".tool > summary").click()
            for folded in await page.locator(".folded summary").all():
                await folded.click()
            await self.shoot(page, f"refused-{name}")

        for name, look in {"": {}, "-phone-dark": phone | {"color_scheme": "dark"}}.items():
            page = await self.page(look)
            await self.sign_in(page)
            await page.route(RUN_ROUTE, limit)
            await self.try_to_ask(page, WEATHER)
            await self.shoot(page, f"waiting{name}")
            await page.unroute(RUN_ROUTE)
            await page.route(RUN_ROUTE, lambda route: route.abort("connectionrefused"))
            await self.try_to_ask(page, WEATHER)
            await self.shoot(page, f"down{name}")
            await page.unroute(RUN_ROUTE)
            await self.ask(page, WEATHER)
            await page.locator(".actions button", has_text="Edit").click()
            await self.shoot(page, f"editing{name}")
            await page.locator(".new:visible").click()
            await self.shoot(page, f"undo{name}")

        context = await self.browser.new_context(locale="en-US", viewport=DESKTOP)
        page = await context.new_page()
        await page.add_init_script(
            f"""let given;
            const company = {json.dumps(COMPANY)};
            Object.defineProperty(window, 'APP_CONFIG', {{
              get: () => ({{ ...given, ...company }}), set: (value) => {{ given = value; }},
            }});"""
        )
        await page.goto(self.page_url)
        await self.sign_in(page)
        await self.shoot(page, "company")
        await self.ask(page, WEATHER)
        await self.shoot(page, "company-answer")


async def limit(route: Route) -> None:
    """The response of an agent to a caller over the rate limit."""
    await route.fulfill(status=429, json=LIMITED, headers={"Access-Control-Allow-Origin": "*"})


async def main(folder: Path, *, demo_alone: bool) -> None:
    """Starts all servers on free ports, takes the pictures or records the demo, and stops the servers."""
    listeners = [listen("127.0.0.1", 0, purpose, "nothing") for purpose in ("the agent", "the page")]
    agent_port, page_port = (listener.getsockname()[1] for listener in listeners)
    page_url = f"http://localhost:{page_port}/"
    agent_url = f"http://localhost:{agent_port}"
    kept = Path(tempfile.mkdtemp())
    options = SandboxOptions(
        kept / "sandbox",
        page_origins=(page_url.rstrip("/"),),
        **dict.fromkeys(("idaas_port", "idaas_plain_port", "model_studio_port", "function_compute_port"), 0),
    )
    with start_sandbox(options) as sandbox:
        environment = sandbox.environment | {
            "ACCESS_IDENTITY": "Machine",
            "CORS_ALLOWED_ORIGINS": page_url.rstrip("/"),
            "MAX_REQUESTS_PER_MINUTE": "0",
            "CONVERSATIONS_URL": f"sqlite:///{kept / 'conversations.db'}",
            "REVOCATIONS_FILE": str(kept / "revocations.db"),
        }
        if demo_alone:
            environment = demo.with_rules(environment, kept)
        settings = read_settings(environment)
        config = sandbox_page_config(
            sandbox.cloud.addresses,
            PageGrant.CODE,
            agent_url=agent_url,
            scope=f"{settings.agent_audience}|{settings.agent_scope}",
        )
        page = page_application(FRONTEND, config)
        servers = [web_server(create_app(settings, Agent(settings))), web_server(page, lifespan=False)]
        serving = [
            asyncio.create_task(server.serve(sockets=[listener]))
            for server, listener in zip(servers, listeners, strict=True)
        ]
        async with async_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("chromium-headless-shell")
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            photographer = Photographer(browser, page_url, agent_url, sandbox, folder)
            await (photographer.record_demo(environment) if demo_alone else photographer.take_all())
            await browser.close()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*serving)


if __name__ == "__main__":
    pictures = Path(sys.argv[1])
    pictures.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(pictures, demo_alone=sys.argv[2:] == ["demo"]))
