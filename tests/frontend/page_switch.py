"""The page server of a browser test, whose configuration each test sets."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.commands.page_server import PACKAGE_FILES, page_application

ROOT = Path(__file__).resolve().parents[2]
FRONTEND = ROOT / "frontend"
_ESBUILD = ROOT / "tests" / "front_ends" / "node_modules" / ".bin" / "esbuild"


def joined_page(folder: Path) -> Path:
    """A copy of the page in `folder` whose modules are joined into few: a browser loads it for two thirds of
    the processor time. The code is the page's own; with `shipped_modules` its own files are loaded.
    """
    unserved = shutil.ignore_patterns("node_modules", "tests", "*.json", "*.py", "*.md")
    page = Path(shutil.copytree(FRONTEND, folder / "page", ignore=unserved))
    for name in PACKAGE_FILES:
        (page / name).parent.mkdir(parents=True)
        shutil.copy(FRONTEND / name, page / name)
    options = ("--bundle", "--splitting", "--format=esm", f"--outdir={page}", "--log-level=error")
    # The browser keeps files by their names. DOMPurify's script is none of a module: it sets a global name.
    options += ("--entry-names=joined-[name]", "--external:*/purify.min.js")
    subprocess.run([_ESBUILD, FRONTEND / "main.js", *options], check=True)  # noqa: S603 - our own command
    document = re.sub(r'.*rel="modulepreload".*\n', "", (page / "index.html").read_text())
    (page / "index.html").write_text(document.replace('src="main.js"', 'src="joined-main.js"'))
    return page


class PageSwitch:
    """Serves the page of `folder` with the configuration that the running test has set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.application: ASGIApp = page_application(folder, {})

    def configure(self, app_config: Mapping[str, str]) -> None:
        self.application = page_application(self.folder, app_config)

    def configure_for(self, agent: str, **more: str) -> None:
        """The page for an agent's URL, with the five keys that are required and `more`."""
        self.configure(
            {
                "API_URL": agent,
                "IDAAS_AUTHORIZE_ENDPOINT": "http://localhost:9400/authorize",
                "IDAAS_LOGOUT_ENDPOINT": "http://localhost:9400/logout",
                "CLIENT_ID": "app_client01",
                "SCOPE": "https://agent.sandbox.example|agent.access",
            }
            | more
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the browser keep the files that are the same in every test."""

        async def send_cacheable(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"] not in ("/", "/config.js"):
                MutableHeaders(scope=message)["cache-control"] = "max-age=3600"
            await send(message)

        await self.application(scope, receive, send_cacheable)
