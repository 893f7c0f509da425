"""The page on a plain static server, as in the vendor's tutorial; here Python's."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

FRONTEND = Path(__file__).resolve().parents[3] / "frontend"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def static_server() -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(FRONTEND))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_the_page_starts_and_reports_example_values(page: Page, static_server: str):
    await page.goto(static_server)
    alert = page.get_by_role("alert")
    for key in ("IDAAS_AUTHORIZE_ENDPOINT", "IDAAS_LOGOUT_ENDPOINT", "CLIENT_ID"):
        await expect(alert).to_contain_text(f"{key} still has the placeholder")
