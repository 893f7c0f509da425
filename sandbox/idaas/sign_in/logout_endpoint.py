"""The logout endpoint: ends the session at IDaaS, then goes back to a registered page."""

from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.idaas.sign_in.pages import page
from sandbox.idaas.sign_in.sign_in_session import SignInSessions
from sandbox.idaas.tokens.refresh_token import RefreshTokens
from sandbox.oauth_error import new_request_id
from sandbox.state.cloud import Cloud
from sandbox.state.events import Event


class LogoutEndpoint:
    """`post_logout_redirect_uri` must be registered for `client_id` as it is; otherwise a page says so.

    Access tokens that were issued stay valid until they expire; refresh tokens of the person end.
    """

    def __init__(self, cloud: Cloud, sessions: SignInSessions, refresh_tokens: RefreshTokens) -> None:
        self._cloud = cloud
        self._sessions = sessions
        self._refresh_tokens = refresh_tokens

    async def answer(self, request: Request) -> Response:
        self._cloud.counters.count("idaas", "logout")
        found = self._sessions.find(request, self._cloud.directory)
        client_id = request.query_params.get("client_id", "")
        response = self._response(request, client_id)
        self._sessions.end(request, response)
        if found is not None:
            self._refresh_tokens.end(found[1].subject)
            self._cloud.events.add(
                Event(
                    time=self._cloud.clock(),
                    event="logout",
                    result="success",
                    client=client_id or None,
                    subject=found[1].subject,
                    request_id=new_request_id(),
                )
            )
        return response

    def _response(self, request: Request, client_id: str) -> Response:
        target = request.query_params.get("post_logout_redirect_uri")
        if target is None:
            return page("signed_out.html")
        client = self._cloud.directory.applications.get(client_id)
        if client is None or target not in client.post_logout_redirect_uris:
            reason = "post_logout_redirect_uri is not registered for this client; you are signed out"
            return page("refused.html", status=400, description=reason)
        state = request.query_params.get("state")
        if state is not None:
            target += ("&" if urlsplit(target).query else "?") + urlencode({"state": state})
        return RedirectResponse(target, 302, headers={"Cache-Control": "no-store"})
