"""The token endpoint (RFC 6749, section 3.2)."""

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.idaas.client_authentication import authenticate_client, authentication_method
from sandbox.idaas.sign_in.authorization_code import AuthorizationCodes
from sandbox.idaas.tokens.grants import Grants, TokenRequest
from sandbox.idaas.tokens.issuance import record_refused
from sandbox.idaas.tokens.refresh_token import RefreshTokens
from sandbox.oauth_error import (
    OAuthError,
    error_response,
    new_request_id,
    read_body,
    required,
    single_parameters,
)
from sandbox.state.cloud import Cloud
from sandbox.state.records import Event


class TokenEndpoint:
    """Authenticates the client, then lets the grant decide."""

    def __init__(self, cloud: Cloud, codes: AuthorizationCodes, refresh_tokens: RefreshTokens) -> None:
        self._cloud = cloud
        self._grants = Grants(cloud, codes, refresh_tokens)

    async def answer(self, request: Request) -> Response:
        attempt = Event("token", new_request_id())
        authorization = request.headers.get("authorization")
        try:
            answer = self._decide(attempt, await _form(request), authorization)
        except OAuthError as refusal:
            record_refused(self._cloud, attempt, refusal)
            challenge = {}
            if refusal.status == 401 and authorization is not None:
                challenge = {"WWW-Authenticate": 'Basic realm="idaas"'}
            return error_response(refusal, attempt.request_id, challenge)
        return JSONResponse(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _decide(
        self, attempt: Event, parameters: dict[str, str], authorization: str | None
    ) -> dict[str, Any]:
        known = self._grants.by_type.get(required(parameters, "grant_type"))
        if known is None:
            raise OAuthError("unsupported_grant_type", "the grant type is not supported")
        name, grant = known
        attempt.event = f"token.{name}"
        self._cloud.counters.count("idaas", attempt.event)
        attempt.authentication = authentication_method(parameters, authorization)
        client = authenticate_client(self._cloud, attempt.authentication, parameters, authorization)
        attempt.client = client.client_id
        if name not in client.grant_types:
            raise OAuthError("unauthorized_client", "the client may not use this grant type")
        return grant(TokenRequest(client, parameters, attempt))


async def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", 'content type must be "application/x-www-form-urlencoded"')
    if (body := await read_body(request)) is None:
        raise OAuthError("invalid_request", "the body is too large", status=413)
    try:
        return single_parameters(parse_qsl(body.decode(), keep_blank_values=True))
    except ValueError as error:
        raise OAuthError("invalid_request", "the body is malformed") from error
