"""The sign-in page as a browser sees it: what is refused, and what a script or another site cannot reach."""

import re

import pytest
from joserfc import jwt

from sandbox.state.directory import AGENT_AUDIENCE, PAGE
from tests.sandbox.idaas.browser import IMPLICIT, REDIRECT, fragment

OPENID = f"openid {AGENT_AUDIENCE}|agent.access"


def test_prompt_login_shows_the_form_and_prompt_none_never_does(browser) -> None:
    assert fragment(browser.authorize(prompt="none", state="s")) == {
        "error": "login_required",
        "error_description": "no user is signed in",
        "state": "s",
    }
    browser.sign_in()
    assert "access_token" in fragment(browser.authorize(prompt="none"))
    assert browser.authorize(prompt="login").status_code == 200


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


def test_the_page_has_a_strict_policy(browser) -> None:
    response = browser.authorize()
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://localhost:9001;" in policy
    nonce = re.search(r"style-src 'nonce-([^']+)'", policy)[1]
    assert f'<style nonce="{nonce}">' in response.text
    assert response.headers["cache-control"] == "no-store"
    assert not re.search(r'(src|href)="', response.text)


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


@pytest.mark.parametrize(
    "target",
    [
        {"client_id": PAGE, "post_logout_redirect_uri": "https://evil.example/"},
        {"client_id": PAGE, "post_logout_redirect_uri": REDIRECT + "x"},
        {"post_logout_redirect_uri": REDIRECT},
    ],
)
def test_logout_with_another_address_redirects_nowhere_and_ends_the_session(browser, target) -> None:
    browser.sign_in()
    response = browser.client.get("/logout", params=target)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert browser.authorize().status_code == 200


def test_stolen_cookie_is_refused_after_logout(browser) -> None:
    browser.sign_in()
    stolen = dict(browser.client.cookies)
    assert "Signed out" in browser.client.get("/logout").text
    browser.client.cookies.update(stolen)
    assert browser.authorize().status_code == 200


def test_a_session_ends_in_time_and_with_its_user(sandbox, browser) -> None:
    browser.sign_in()
    sandbox.clock.advance(sandbox.cloud.settings.session_lifetime)
    assert browser.authorize().status_code == 200
    browser.sign_in()
    sandbox.cloud.directory.disabled.add("user_alice01")
    assert browser.authorize().status_code == 200
    assert browser.sign_in().status_code == 401


def test_logout_goes_back_with_the_state(browser) -> None:
    target = {"client_id": PAGE, "post_logout_redirect_uri": REDIRECT, "state": "x y"}
    response = browser.client.get("/logout", params=target)
    assert (response.status_code, response.headers["location"]) == (302, f"{REDIRECT}?state=x+y")
