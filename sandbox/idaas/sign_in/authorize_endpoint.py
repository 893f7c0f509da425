"""The authorization endpoint: a sign-in page for people, tokens and codes for the page they came from."""

import secrets
from hmac import compare_digest
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.idaas.sign_in.authorization_code import AuthorizationCodes, CodeGrant
from sandbox.idaas.sign_in.authorization_request import (
    CODE_ONLY,
    AuthorizationRequest,
    ReturnAddress,
    authorization_request,
    return_address,
)
from sandbox.idaas.sign_in.pages import page
from sandbox.idaas.sign_in.sessions import SignInSessions, set_private_cookie
from sandbox.idaas.tokens.issuance import id_token, record_issued, record_refused, token_answer
from sandbox.idaas.tokens.scope import user_permissions
from sandbox.oauth_error import OAuthError, new_request_id, single_parameters
from sandbox.state.cloud import Cloud
from sandbox.state.directory import User
from sandbox.state.records import Event

CSRF_COOKIE = "idaas_sandbox_csrf"


class AuthorizeEndpoint:
    """GET shows the sign-in page, or answers at once if the browser is signed in; POST is the page's form.

    The form goes to the URL of the request, so that the request is read and checked anew.
    """

    def __init__(self, cloud: Cloud, codes: AuthorizationCodes, sessions: SignInSessions) -> None:
        self._cloud = cloud
        self._codes = codes
        self._sessions = sessions

    async def answer(self, request: Request) -> Response:
        self._cloud.counters.count("idaas", "authorize" if request.method == "GET" else "authorize.sign_in")
        attempt = Event("authorize", new_request_id())
        try:
            parameters = single_parameters(parse_qsl(request.url.query, keep_blank_values=True))
            to = return_address(self._cloud.directory, parameters, self._cloud.addresses.issuer)
        except OAuthError as refusal:
            record_refused(self._cloud, attempt, refusal)
            return page("refused.html", status=refusal.status, description=refusal.description)
        attempt.client = to.client.client_id
        try:
            asked = authorization_request(to, parameters)
            if request.method == "POST":
                return await self._sign_in(request, to, asked, attempt)
            return self._attend(request, to, asked, attempt)
        except OAuthError as refusal:
            return self._refuse(to, refusal, attempt)

    def _attend(
        self, request: Request, to: ReturnAddress, asked: AuthorizationRequest, attempt: Event
    ) -> Response:
        found = self._sessions.find(request, self._cloud.directory)
        if found is not None and "login" not in asked.prompt:
            session, user = found
            return self._grant(to, asked, user, session.authenticated_at, attempt)
        if "none" in asked.prompt:
            raise OAuthError("login_required", "no user is signed in")
        return self._sign_in_page(request, to)

    async def _sign_in(
        self, request: Request, to: ReturnAddress, asked: AuthorizationRequest, attempt: Event
    ) -> Response:
        form = await request.form(max_files=0, max_fields=10)
        values = {name: str(form.get(name, "")) for name in ("csrf", "username", "password")}
        if not _is_own_form(request, values["csrf"]):
            return self._sign_in_page(request, to, username=values["username"], fault="expired", status=403)
        user = self._cloud.directory.users.get(values["username"].strip())
        expected = user.password if user else secrets.token_urlsafe()
        right = compare_digest(expected.encode(), values["password"].encode())
        if user is None or not right or user.subject in self._cloud.directory.disabled:
            refusal = OAuthError("access_denied", "user name or password is wrong, or the user is disabled")
            attempt.event = "sign_in"
            record_refused(self._cloud, attempt, refusal)
            return self._sign_in_page(request, to, username=values["username"], fault="wrong", status=401)
        response: Response
        try:
            response = self._grant(to, asked, user, self._cloud.clock(), attempt)
        except OAuthError as refusal:
            response = self._refuse(to, refusal, attempt)
        self._sessions.begin(request, response, user)
        response.status_code = 303
        return response

    def _sign_in_page(
        self, request: Request, to: ReturnAddress, *, username: str = "", fault: str = "", status: int = 200
    ) -> Response:
        csrf = request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(32)
        response = page(
            "sign_in.html",
            status=status,
            form_target=to.redirect_uri,
            action=f"{request.url.path}?{request.url.query}",
            application=to.client.name,
            csrf=csrf,
            username=username,
            fault=fault,
        )
        set_private_cookie(request, response, CSRF_COOKIE, csrf)
        return response

    def _grant(
        self,
        to: ReturnAddress,
        asked: AuthorizationRequest,
        user: User,
        authenticated_at: float,
        attempt: Event,
    ) -> Response:
        cloud, client = self._cloud, to.client
        attempt.subject, attempt.audience = user.subject, asked.scope.audience
        if client.client_id in cloud.directory.disabled:
            raise OAuthError("access_denied", "the application is disabled")
        permissions = user_permissions(cloud.directory, client, user, asked.scope, denied="access_denied")
        answer: dict[str, str] = {}
        if asked.response_types == CODE_ONLY:
            answer["code"] = self._codes.issue(
                CodeGrant(
                    client_id=client.client_id,
                    redirect_uri=to.redirect_uri,
                    challenge=asked.challenge,
                    subject=user.subject,
                    audience=asked.scope.target(),
                    permissions=permissions,
                    openid=asked.scope.openid,
                    nonce=asked.nonce,
                    authenticated_at=authenticated_at,
                    expires_at=cloud.clock() + cloud.settings.authorization_code_lifetime,
                )
            )
        if "token" in asked.response_types:
            minted = cloud.access_tokens.mint(
                client_id=client.client_id,
                subject=user.subject,
                audience=asked.scope.target(),
                permissions=permissions,
                claims=user.token_claims(authenticated_at),
            )
            record_issued(cloud, attempt, minted)
            answer |= {
                name: str(value) for name, value in token_answer(minted).items() if name != "expires_at"
            }
        if "id_token" in asked.response_types:
            answer["id_token"] = id_token(
                cloud, client, user, authenticated_at=authenticated_at, nonce=asked.nonce
            )
        if "token" not in asked.response_types:
            cloud.events.record(attempt, permissions=permissions)
        return _redirect(to.url(answer))

    def _refuse(self, to: ReturnAddress, refusal: OAuthError, attempt: Event) -> Response:
        record_refused(self._cloud, attempt, refusal)
        return _redirect(to.url({"error": refusal.error, "error_description": refusal.description}))


def _is_own_form(request: Request, csrf: str) -> bool:
    """The form carries the value of the cookie, and no other origin sent it."""
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.url.netloc}"
    cookie = request.cookies.get(CSRF_COOKIE, "")
    return bool(cookie) and compare_digest(cookie.encode(), csrf.encode()) and origin in (None, own)


def _redirect(url: str) -> Response:
    return RedirectResponse(url, 302, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
