"""Authorization code with PKCE, from the page to the token."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt

from sandbox.idaas.sign_in.authorization_code import s256
from sandbox.state.directory import AGENT_AUDIENCE, PAGE
from tests.sandbox.idaas.browser import CODE, VERIFIER, Browser


@pytest.fixture
def authorize(sandbox):
    """Signs alice in and gives the answer in the redirect's query."""

    def ask(**changes) -> dict[str, str]:
        browser, request = Browser(sandbox), CODE | changes
        with browser.client:
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


def test_the_published_vector_of_rfc_7636_holds() -> None:
    assert s256(VERIFIER) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_code_becomes_the_users_token(sandbox, authorize, redeem) -> None:
    answer = authorize()
    assert (answer["state"], answer["iss"]) == ("s", sandbox.issuer)
    response = redeem(answer["code"])
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    issued = sandbox.cloud.access_tokens.verify(response.json()["access_token"])
    assert (issued.subject, issued.audience) == ("user_alice01", AGENT_AUDIENCE)
    assert "id_token" not in response.json()


def test_with_openid_an_id_token_comes_along(sandbox, authorize, redeem) -> None:
    answer = authorize(scope=f"openid {AGENT_AUDIENCE}|agent.access", nonce="n-1")
    identity = redeem(answer["code"]).json()["id_token"]
    claims = jwt.decode(identity, sandbox.cloud.keys.published, algorithms=["RS256"]).claims
    assert (claims["aud"], claims["nonce"], claims["name"]) == (PAGE, "n-1", "Alice")


@pytest.mark.parametrize(
    "verifier", ["x" * 43, "short", VERIFIER + "x", s256(VERIFIER), "x" * 129, VERIFIER.swapcase()]
)
def test_a_wrong_verifier_is_refused(authorize, redeem, refusal, verifier) -> None:
    assert refusal(redeem(authorize()["code"], code_verifier=verifier)) == (400, "invalid_grant")


def test_a_wrong_verifier_uses_the_code_up(authorize, redeem, refusal) -> None:
    code = authorize()["code"]
    redeem(code, code_verifier="x" * 43)
    assert refusal(redeem(code)) == (400, "invalid_grant")


def test_a_replayed_code_is_refused_and_revokes_its_token(
    sandbox, authorize, redeem, exchange, refusal
) -> None:
    code = authorize()["code"]
    issued = redeem(code).json()["access_token"]
    assert exchange(subject_token=issued).status_code == 200
    assert refusal(redeem(code)) == (400, "invalid_grant")
    assert refusal(exchange(subject_token=issued)) == (400, "invalid_grant")


def test_a_late_code_is_refused(sandbox, authorize, redeem, refusal) -> None:
    code = authorize()["code"]
    sandbox.clock.advance(sandbox.cloud.settings.authorization_code_lifetime)
    assert refusal(redeem(code)) == (400, "invalid_grant")


def test_a_code_is_bound_to_its_redirect_uri(authorize, redeem, refusal) -> None:
    response = redeem(authorize()["code"], redirect_uri="http://localhost:9001/")
    assert refusal(response) == (400, "invalid_grant")


def test_an_unknown_code_is_refused(redeem, refusal) -> None:
    assert refusal(redeem("nonsense")) == (400, "invalid_grant")


@pytest.mark.parametrize("missing", ["code", "redirect_uri", "code_verifier"])
def test_every_parameter_is_needed(authorize, redeem, refusal, missing) -> None:
    assert refusal(redeem(authorize()["code"], **{missing: None})) == (400, "invalid_request")


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


def test_a_user_disabled_in_between_gets_no_token(sandbox, authorize, redeem, refusal) -> None:
    code = authorize()["code"]
    sandbox.cloud.directory.disabled.add("user_alice01")
    assert refusal(redeem(code)) == (403, "access_denied")


def test_sign_in_and_redemption_are_counted_and_recorded(sandbox, authorize, redeem) -> None:
    redeem(authorize()["code"])
    assert sandbox.cloud.counters.snapshot()["idaas:token.authorization_code"] == 1
    events = [(event.event, event.result, event.subject) for event in sandbox.cloud.events.snapshot()]
    assert events == [
        ("authorize", "success", "user_alice01"),
        ("token.authorization_code", "success", "user_alice01"),
    ]
