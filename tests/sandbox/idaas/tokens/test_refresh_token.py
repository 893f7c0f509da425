"""Refresh tokens of the page: used once, bound to the client, ended by sign-out and by withdrawn rights."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from sandbox.state.directory import AGENT_AUDIENCE, PAGE
from tests.sandbox.idaas.browser import CODE, VERIFIER, Browser

Refresh = Callable[..., httpx.Response]


@pytest.fixture
def first(browser: Browser, token: Any) -> str:
    """The refresh token of alice's sign-in by code."""
    answer = browser.sign_in(**CODE)
    code = dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CODE["redirect_uri"]}
    return token(**form, client_id=PAGE, client_secret=None, code_verifier=VERIFIER).json()["refresh_token"]


@pytest.fixture
def refresh(token: Any) -> Refresh:
    def post(refresh_token: str, **changes: Any) -> httpx.Response:
        form = {"grant_type": "refresh_token", "client_id": PAGE, "client_secret": None}
        return token(**(form | changes), refresh_token=refresh_token)

    return post


def test_a_refresh_token_gives_the_persons_next_access_token(sandbox: Any, first: str, refresh: Refresh):
    sandbox.clock.advance(1300)
    answer = refresh(first)
    assert answer.status_code == 200
    issued = sandbox.cloud.access_tokens.verify(answer.json()["access_token"])
    assert (issued.subject, issued.audience) == ("user_alice01", AGENT_AUDIENCE)
    assert answer.json()["refresh_token"] != first


def test_a_refresh_token_that_comes_twice_ends_all_of_its_sign_in(first: str, refresh: Refresh, refusal: Any):
    second = refresh(first).json()["refresh_token"]
    assert refusal(refresh(first)) == (400, "invalid_grant")
    assert refusal(refresh(second)) == (400, "invalid_grant")


def test_a_refresh_token_of_another_client_is_refused(
    sandbox: Any, first: str, refresh: Refresh, token: Any, refusal: Any
):
    stolen = token(grant_type="refresh_token", refresh_token=first)
    assert refusal(stolen) == (400, "unauthorized_client")
    assert refresh(first).status_code == 200


def test_a_refresh_token_expires_a_day_after_the_sign_in_regardless_of_use(
    sandbox: Any, first: str, refresh: Refresh, refusal: Any
):
    sandbox.clock.advance(12 * 3600)
    second = refresh(first).json()["refresh_token"]
    sandbox.clock.advance(12 * 3600)
    assert refusal(refresh(second)) == (400, "invalid_grant")


def test_a_withdrawn_right_ends_refreshing(sandbox: Any, first: str, refresh: Refresh, refusal: Any):
    sandbox.cloud.directory.people.discard(("user_alice01", AGENT_AUDIENCE, "agent.access"))
    assert refusal(refresh(first)) == (400, "invalid_scope")


@pytest.mark.parametrize("disabled", ["user_alice01", PAGE])
def test_a_disabled_person_or_application_is_refused(
    sandbox: Any, first: str, refresh: Refresh, refusal: Any, disabled: str
):
    sandbox.cloud.directory.disabled.add(disabled)
    assert refusal(refresh(first))[1] in ("access_denied", "invalid_client")


def test_signing_out_ends_refreshing(
    sandbox: Any, browser: Browser, first: str, refresh: Refresh, refusal: Any
):
    browser.client.get(sandbox.url("/login/app/common/oauth2/logout", "idaas_plain"))
    assert refusal(refresh(first)) == (400, "invalid_grant")
