"""Logout at IDaaS ends the session for any return address."""

import pytest

from sandbox.state.directory import PAGE
from tests.sandbox.idaas.browser import REDIRECT


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
