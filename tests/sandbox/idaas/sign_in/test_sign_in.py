"""The sign-in page as a browser sees it: what is refused, and what a script or another site cannot reach."""

import re

from joserfc import jwt

from sandbox.state.directory import AGENT_AUDIENCE, PAGE
from tests.sandbox.idaas.browser import IMPLICIT, fragment

OPENID = f"openid {AGENT_AUDIENCE}|agent.access"


def test_a_wrong_password_or_user_shows_the_page_again_with_nothing_of_what_was_typed(
    sandbox, browser
) -> None:
    for user, password in (
        ("alice", "guess-1"),
        ("mallory", "guess-2"),
        ("bob", sandbox.cloud.secrets.alice_password),
        ('"><script>alert(1)</script>', "guess-3"),
    ):
        response = browser.sign_in(user, password)
        assert response.status_code == 401
        assert "location" not in response.headers
        assert password not in response.text
        assert "<script" not in response.text
    assert browser.authorize().status_code == 200
    assert sandbox.cloud.events.snapshot()[-1].event == "sign_in"


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(sandbox, client, browser) -> None:
    cookies = [*browser.authorize().headers.get_list("set-cookie")]
    cookies += browser.sign_in().headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/login" in cookie
    over_tls = client.get(sandbox.cloud.addresses.authorize, params=IMPLICIT)
    assert "Secure" in over_tls.headers["set-cookie"]


def test_a_form_of_another_site_or_browser_signs_no_user_in(browser) -> None:
    assert browser.sign_in(csrf="guessed").status_code == 403
    assert browser.sign_in(headers={"Origin": "https://evil.example"}).status_code == 403
    assert browser.sign_in(headers={"Origin": "null"}).status_code == 403
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.authorize().text)[1]
    browser.client.cookies.clear()
    form = {"csrf": csrf, "username": "alice", "password": browser.sandbox.cloud.secrets.alice_password}
    assert browser.client.post("/authorize", params=IMPLICIT, data=form).status_code == 403


def test_an_id_token_names_the_user_to_the_page_and_is_no_access_token(
    sandbox, browser, refusal, exchange
) -> None:
    answer = fragment(browser.sign_in(response_type="id_token", scope=OPENID, nonce="n-1"))
    assert "access_token" not in answer
    claims = jwt.decode(answer["id_token"], sandbox.cloud.keys.published, algorithms=["RS256"]).claims
    now = int(sandbox.clock.now)
    assert claims == {
        "iss": sandbox.issuer,
        "sub": "user_alice01",
        "aud": PAGE,
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "nonce": "n-1",
        "name": "Alice",
        "preferred_username": "alice",
    }
    assert refusal(exchange(subject_token=answer["id_token"])) == (400, "invalid_grant")
