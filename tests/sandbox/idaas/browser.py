"""A browser at IDaaS's sign-in page, and the page's requests: for the implicit grant, and for a code."""

import re
from urllib.parse import parse_qsl, urlsplit

import httpx

from sandbox.idaas.sign_in.authorization_code import s256
from sandbox.state.directory import AGENT_AUDIENCE, PAGE
from tests.loopback import NO_TLS

REDIRECT = "http://localhost:9001/"
IMPLICIT = {
    "client_id": PAGE,
    "response_type": "token",
    "scope": f"{AGENT_AUDIENCE}|agent.access",
    "redirect_uri": REDIRECT,
}
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # from RFC 7636, appendix B
CODE = {
    "client_id": PAGE,
    "response_type": "code",
    "scope": f"{AGENT_AUDIENCE}|agent.access",
    "redirect_uri": "http://127.0.0.1:9001/",
    "code_challenge": s256(VERIFIER),
    "code_challenge_method": "S256",
    "state": "s",
}


class Browser:
    """Keeps cookies and follows no redirect."""

    def __init__(self, sandbox) -> None:
        self.sandbox = sandbox
        self.client = httpx.Client(
            base_url=sandbox.url("/login/app/common/oauth2", "idaas_plain"), verify=NO_TLS
        )

    def authorize(self, **changes) -> httpx.Response:
        return self.client.get("/authorize", params=_without_none(IMPLICIT | changes))

    def sign_in(self, user="alice", password=None, *, csrf=None, headers=None, **changes) -> httpx.Response:
        """Opens the page and posts its form."""
        page = self.authorize(**changes)
        assert page.status_code == 200
        form = {
            "csrf": csrf or re.search(r'name="csrf" value="([^"]+)"', page.text)[1],
            "username": user,
            "password": password or getattr(self.sandbox.cloud.secrets, f"{user}_password", ""),
        }
        action = re.search(r'action="([^"]+)"', page.text)[1].replace("&amp;", "&")
        return self.client.post(self.sandbox.url(action, "idaas_plain"), data=form, headers=headers)


def _without_none(members: dict) -> dict:
    return {name: value for name, value in members.items() if value is not None}


def fragment(response) -> dict[str, str]:
    """The answer in the fragment of the redirect to the page."""
    assert response.status_code in (302, 303)
    location = response.headers["location"]
    assert location.startswith(REDIRECT + "#")
    return dict(parse_qsl(urlsplit(location).fragment))
