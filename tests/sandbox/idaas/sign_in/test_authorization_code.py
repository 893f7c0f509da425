"""A code and a refresh token of the page: what binds them, and what ends them."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt

from sandbox.idaas.sign_in.authorization_code import s256
from sandbox.state.directory import AGENT_AUDIENCE, LEAVE_AUDIENCE, PAGE
from tests.sandbox.idaas.browser import CODE, VERIFIER


@pytest.fixture
def authorize(browser):
    """Signs alice in and gives the answer in the redirect's query."""

    def ask(**changes) -> dict[str, str]:
        request = CODE | changes
        response = browser.authorize(**request)
        if response.status_code == 200:
            response = browser.sign_in(**request)
        parts = urlsplit(response.headers["location"])
        assert parts.fragment == ""
        return dict(parse_qsl(parts.query))

    return ask


@pytest.fixture
def redeem(token):
    def post(code, /, **changes):
        form = {
            "grant_type": "authorization_code",
            "client_id": PAGE,
            "client_secret": None,
            "code": code,
            "redirect_uri": CODE["redirect_uri"],
            "code_verifier": VERIFIER,
        }
        return token(**(form | changes))

    return post


@pytest.fixture
def first(authorize, redeem) -> str:
    """The refresh token of alice's sign-in by code."""
    return redeem(authorize()["code"]).json()["refresh_token"]


@pytest.fixture
def refresh(token):
    def post(refresh_token, **changes):
        form = {"grant_type": "refresh_token", "client_id": PAGE, "client_secret": None}
        return token(**(form | changes), refresh_token=refresh_token)

    return post


@pytest.mark.parametrize("verifier", ["x" * 43, "short", s256(VERIFIER), "x" * 129])
def test_a_wrong_verifier_is_refused_and_uses_the_code_up(authorize, redeem, refusal, verifier) -> None:
    code = authorize()["code"]
    assert refusal(redeem(code, code_verifier=verifier)) == (400, "invalid_grant")
    assert refusal(redeem(code)) == (400, "invalid_grant")


def test_a_replayed_code_is_refused_and_revokes_its_token(authorize, redeem, exchange, refusal) -> None:
    code = authorize()["code"]
    issued = redeem(code).json()["access_token"]
    assert exchange(subject_token=issued).status_code == 200
    assert refusal(redeem(code)) == (400, "invalid_grant")
    assert refusal(exchange(subject_token=issued)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge": "too-short"},
    ],
)
def test_no_code_without_pkce_by_s256(sandbox, authorize, changes) -> None:
    answer = authorize(**changes)
    assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request", "s", sandbox.issuer)


def test_a_refresh_token_that_comes_twice_ends_all_of_its_sign_in(first, refresh, refusal) -> None:
    second = refresh(first).json()["refresh_token"]
    assert refusal(refresh(first)) == (400, "invalid_grant")
    assert refusal(refresh(second)) == (400, "invalid_grant")


def test_a_refresh_token_expires_a_day_after_the_sign_in_regardless_of_use(
    sandbox, first, refresh, refusal
) -> None:
    sandbox.clock.advance(12 * 3600)
    second = refresh(first).json()["refresh_token"]
    sandbox.clock.advance(12 * 3600)
    assert refusal(refresh(second)) == (400, "invalid_grant")


def test_signing_out_ends_refreshing(browser, first, refresh, refusal) -> None:
    browser.client.get("/logout")
    assert refusal(refresh(first)) == (400, "invalid_grant")


def test_time_of_the_sign_in_stays_when_a_token_is_refreshed_and_leaves_with_an_exchange(
    sandbox, company, authorize, redeem, refresh, exchange
) -> None:
    def claims(response):
        token = response.json()["access_token"]
        return jwt.decode(token, sandbox.cloud.keys.published, algorithms=["RS256"]).claims

    signed_in_at = int(sandbox.clock.now)
    issued = redeem(authorize()["code"])
    sandbox.clock.advance(900)
    refreshed = refresh(issued.json()["refresh_token"])
    exchanged = exchange(subject_token=refreshed.json()["access_token"])
    assert [claims(each).get("auth_time") for each in (issued, refreshed, exchanged)] == [
        signed_in_at,
        signed_in_at,
        None,
    ]
    assert {claims(each)["manager"] for each in (issued, refreshed, exchanged)} == {"user_carol01"}


def test_application_gets_tokens_of_its_own_by_its_secret_for_what_it_was_granted(
    company, token, refusal
) -> None:
    [payroll] = company.clients
    form = {
        "grant_type": "client_credentials",
        "client_id": payroll.client_id,
        "client_secret": payroll.secret,
    }
    assert token(**form, scope=f"{AGENT_AUDIENCE}|agent.prepare").status_code == 200
    assert refusal(token(**form, scope=f"{LEAVE_AUDIENCE}|leave.read")) == (400, "invalid_scope")
    form["client_secret"] = "guessed"
    assert refusal(token(**form, scope=f"{AGENT_AUDIENCE}|agent.prepare")) == (401, "invalid_client")
