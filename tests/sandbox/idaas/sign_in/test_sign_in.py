"""Signing in on the page of IDaaS as a browser does, and out: form, session, cookies and ID tokens."""

import re

import pytest
from joserfc import jwt

from sandbox.state.directory import AGENT_AUDIENCE, PAGE
from tests.sandbox.idaas.browser import IMPLICIT, REDIRECT, fragment


def test_signing_in_brings_a_token_in_the_fragment(sandbox, browser) -> None:
    answer = fragment(browser.sign_in())
    token = sandbox.cloud.access_tokens.verify(answer.pop("access_token"))
    assert (token.subject, token.audience, token.permissions) == (
        "user_alice01",
        AGENT_AUDIENCE,
        ("agent.access",),
    )
    assert answer == {"token_type": "Bearer", "expires_in": "1200"}


def test_the_state_comes_back_exactly(browser) -> None:
    state = "a b&c=d#é+%20"
    assert fragment(browser.sign_in(state=state))["state"] == state


def test_a_signed_in_browser_is_not_asked_again(browser) -> None:
    browser.sign_in()
    assert "access_token" in fragment(browser.authorize())


def test_prompt_login_shows_the_form_and_prompt_none_never_does(browser) -> None:
    assert fragment(browser.authorize(prompt="none", state="s")) == {
        "error": "login_required",
        "error_description": "no user is signed in",
        "state": "s",
    }
    browser.sign_in()
    assert "access_token" in fragment(browser.authorize(prompt="none"))
    assert browser.authorize(prompt="login").status_code == 200


def test_a_session_ends_in_time(sandbox, browser) -> None:
    browser.sign_in()
    sandbox.clock.advance(sandbox.cloud.settings.session_lifetime)
    assert browser.authorize().status_code == 200


@pytest.mark.parametrize(
    ("user", "password"), [("alice", "guess-1"), ("mallory", "guess-2"), ("", "guess-3")]
)
def test_a_wrong_password_or_user_shows_the_page_again(sandbox, browser, user, password) -> None:
    response = browser.sign_in(user, password)
    assert response.status_code == 401
    assert "location" not in response.headers
    assert "wrong" in response.text
    assert password not in response.text
    assert browser.authorize().status_code == 200
    assert sandbox.cloud.events.snapshot()[-1].event == "sign_in"


def test_bob_cannot_sign_in_with_the_password_of_alice(sandbox, browser) -> None:
    assert browser.sign_in("bob", sandbox.cloud.secrets.alice_password).status_code == 401


def test_typed_text_is_shown_escaped(browser) -> None:
    response = browser.sign_in('"><script>alert(1)</script>', "x")
    assert "<script" not in response.text


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


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(browser) -> None:
    cookies = [*browser.authorize().headers.get_list("set-cookie")]
    cookies += browser.sign_in().headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/login" in cookie


def test_cookies_are_secure_over_tls(sandbox, client) -> None:
    response = client.get(sandbox.cloud.addresses.authorize, params=IMPLICIT)
    assert "Secure" in response.headers["set-cookie"]


def test_a_form_of_another_site_signs_no_user_in(browser) -> None:
    assert browser.sign_in(csrf="guessed").status_code == 403
    assert browser.sign_in(headers={"Origin": "https://evil.example"}).status_code == 403
    assert browser.sign_in(headers={"Origin": "null"}).status_code == 403
    assert browser.authorize().status_code == 200


def test_the_form_needs_the_cookie_of_its_browser(browser) -> None:
    page = browser.authorize()
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    browser.client.cookies.clear()
    form = {"csrf": csrf, "username": "alice", "password": browser.sandbox.cloud.secrets.alice_password}
    assert browser.client.post("/authorize", params=IMPLICIT, data=form).status_code == 403


def test_a_disabled_user_cannot_sign_in_and_loses_their_session(sandbox, browser) -> None:
    browser.sign_in()
    sandbox.cloud.directory.disabled.add("user_alice01")
    assert browser.authorize().status_code == 200
    assert browser.sign_in().status_code == 401


# ID tokens


def test_an_id_token_names_the_user_to_the_page(sandbox, browser) -> None:
    scope = f"openid {AGENT_AUDIENCE}|agent.access"
    answer = fragment(browser.sign_in(response_type="id_token token", scope=scope, nonce="n-1"))
    assert "access_token" in answer
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


def test_an_id_token_is_no_access_token(sandbox, browser, refusal, exchange) -> None:
    scope = f"openid {AGENT_AUDIENCE}|agent.access"
    answer = fragment(browser.sign_in(response_type="id_token", scope=scope, nonce="n-1"))
    assert "access_token" not in answer
    assert refusal(exchange(subject_token=answer["id_token"])) == (400, "invalid_grant")


def test_logout_ends_the_session_and_goes_back(browser) -> None:
    browser.sign_in()
    target = {"client_id": PAGE, "post_logout_redirect_uri": REDIRECT, "state": "x y"}
    response = browser.client.get("/logout", params=target)
    assert (response.status_code, response.headers["location"]) == (302, f"{REDIRECT}?state=x+y")
    assert browser.authorize().status_code == 200


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


def test_logout_without_an_address_shows_a_page(browser) -> None:
    response = browser.client.get("/logout")
    assert response.status_code == 200
    assert "Signed out" in response.text


def test_stolen_cookie_is_refused_after_logout(browser) -> None:
    browser.sign_in()
    stolen = dict(browser.client.cookies)
    browser.client.get("/logout")
    browser.client.cookies.update(stolen)
    assert browser.authorize().status_code == 200
