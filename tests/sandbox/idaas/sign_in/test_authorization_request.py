"""Which authorization requests are refused, and where errors may be sent."""

import pytest

from sandbox.state.directory import AGENT_AUDIENCE, PAGE
from tests.sandbox.idaas.browser import IMPLICIT, fragment


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/",
        "http://localhost:9001",
        "http://localhost:9001/?x=1",
        "http://localhost:9001.evil.example/",
        "http://LOCALHOST:9001/",
        None,
    ],
)
def test_an_unregistered_redirect_uri_is_never_followed(browser, redirect_uri) -> None:
    browser.sign_in()
    for response in (
        browser.authorize(redirect_uri=redirect_uri),
        browser.authorize(redirect_uri=redirect_uri, response_type="nonsense"),
    ):
        assert response.status_code == 400
        assert "location" not in response.headers
        assert response.headers["content-type"].startswith("text/html")


def test_an_unknown_client_and_a_repeated_redirect_uri_are_never_redirected(browser) -> None:
    for client_id in ("app_nobody", None, "app_agent01"):
        response = browser.authorize(client_id=client_id)
        assert response.status_code == 400
        assert "location" not in response.headers
    pairs = [*IMPLICIT.items(), ("redirect_uri", "https://evil.example/")]
    response = browser.client.get("/authorize", params=pairs)
    assert response.status_code == 400
    assert "location" not in response.headers


def test_client_and_user_must_be_authorized_for_the_agent(sandbox, browser) -> None:
    sandbox.cloud.directory.revoke("user_bob01", AGENT_AUDIENCE, "agent.access")
    answer = fragment(browser.sign_in("bob", state="s"))
    assert (answer["error"], answer["state"]) == ("access_denied", "s")
    event = sandbox.cloud.events.snapshot()[-1]
    assert (event.result, event.subject, event.error) == ("failed", "user_bob01", "access_denied")
    sandbox.cloud.directory.delegated.discard((PAGE, AGENT_AUDIENCE, "agent.access"))
    assert fragment(browser.authorize())["error"] == "invalid_scope"
