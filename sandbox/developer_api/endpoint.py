"""An operation of the Developer API behind its function authorization; requests are counted and recorded."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.addresses import INSTANCE
from sandbox.oauth_error import (
    OAuthError,
    bearer_token,
    error_response,
    new_request_id,
    read_body,
    single_parameters,
)
from sandbox.state.access_tokens import IssuedToken, TokenRefusedError
from sandbox.state.cloud import Cloud
from sandbox.state.directory import PAM_AUDIENCE
from sandbox.state.records import Event

Members = Mapping[str, Any]
"""The members of a POST's JSON body, else the parameters of the query."""


class Endpoint:
    """Function authorization: a token for the PAM audience with `permission`. Data authorization, whether the
    client and the user may use this very credential, is the operation's.

    Grants that were withdrawn after the token was issued count for the data authorization only.
    """

    def __init__(
        self,
        cloud: Cloud,
        action: str,
        permission: str,
        operation: Callable[[IssuedToken, Members], dict[str, Any]],
    ) -> None:
        """`operation` makes the members of the response; it raises OAuthError."""
        self._cloud = cloud
        self._action = action
        self._permission = permission
        self._operation = operation

    async def answer(self, request: Request) -> Response:
        """The route's endpoint."""
        self._cloud.counters.count("developer_api", self._action)
        permissions = (self._permission,)
        event = Event(self._action, new_request_id(), audience=PAM_AUDIENCE, permissions=permissions)
        try:
            check_instance(request)
            token = self._function_authorization(request)
            event.client, event.subject, event.subject_jti = token.client_id, token.subject, token.jti
            body = self._operation(token, await members(request))
        except OAuthError as refusal:
            if refusal.expired:
                self._cloud.counters.expired_credential("developer_api")
            self._cloud.events.record(event, result="failed", error=refusal.error)
            headers = {}
            if refusal.status == 401:
                headers["WWW-Authenticate"] = f'Bearer error="{refusal.error}"'
            return error_response(refusal, event.request_id, headers)
        self._cloud.events.record(event)
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    def _function_authorization(self, request: Request) -> IssuedToken:
        text = bearer_token(request)
        if text is None:
            raise OAuthError("invalid_token", "the bearer token is missing", status=401)
        try:
            token = self._cloud.access_tokens.verify(text)
        except TokenRefusedError as error:
            raise OAuthError("invalid_token", str(error), status=401, expired=error.expired) from error
        if token.audience != PAM_AUDIENCE:
            raise OAuthError("invalid_token", f'the token must be for "{PAM_AUDIENCE}"', status=401)
        if not token.client_id:
            raise OAuthError("invalid_token", "the token is from before a restart", status=401)
        if self._permission not in token.permissions:
            raise OAuthError("insufficient_scope", f'the token lacks "{self._permission}"', status=403)
        return token


def check_released(cloud: Cloud, token: IssuedToken, readers: set[str]) -> None:
    """Data authorization: both the client and the subject of the token are among `readers`, and enabled.

    Raises OAuthError.
    """
    if {token.client_id, token.subject} & cloud.directory.disabled:
        raise OAuthError("access_denied", "the client or the user is disabled")
    if not {token.client_id, token.subject} <= readers:
        raise OAuthError("access_denied", "the caller may not use this credential")


def check_instance(request: Request) -> None:
    """Raises OAuthError if the path names another instance."""
    if request.path_params["instance"] != INSTANCE:
        raise OAuthError("instance_not_found", "the instance is unknown", status=404)


async def members(request: Request) -> Members:
    """Raises OAuthError if the body is no JSON object, or if a parameter of the query appears twice."""
    if request.method != "POST":
        return single_parameters(request.query_params.multi_items())
    if (body := await read_body(request)) is None:
        raise OAuthError("invalid_request", "the body is too large", status=413)
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise OAuthError("invalid_request", "the body must be a JSON object")
    return {name: value for name, value in content.items() if value is not None}


def text(given: Members, name: str) -> str:
    """A text that must be there. Raises OAuthError."""
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise OAuthError("invalid_request", f'member "{name}" must be a text')
    return value
