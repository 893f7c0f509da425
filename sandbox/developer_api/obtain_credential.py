"""ObtainCredential: an API key for callers with both authorizations of Agent ID Guard."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.access_tokens import IssuedToken, TokenRefusedError
from sandbox.addresses import INSTANCE
from sandbox.cloud import Cloud
from sandbox.directory import PAM_AUDIENCE
from sandbox.events import Event
from sandbox.oauth_error import (
    OAuthError,
    bearer_token,
    error_response,
    new_request_id,
    required,
    single_parameters,
)
from sandbox.vault import VaultCredential

PERMISSION = "credential:obtain"


class ObtainCredential:
    """Function authorization: a token for the PAM audience with `credential:obtain`. Data authorization: the
    client that obtained the token, and under a user's token also that user, may read this very credential.

    Grants that were withdrawn after the token was issued count for the data authorization only.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def answer(self, request: Request) -> Response:
        self._cloud.counters.count("developer_api", "ObtainCredential")
        request_id = new_request_id()
        token: IssuedToken | None = None
        try:
            _check_instance(request)
            token = self._function_authorization(request)
            parameters = single_parameters(request.query_params.multi_items())
            entry = self._data_authorization(token, required(parameters, "credentialIdentifier"))
        except OAuthError as refusal:
            if refusal.expired:
                self._cloud.counters.expired_credential("developer_api")
            self._record(token, request_id, refusal)
            headers = {}
            if refusal.status == 401:
                headers["WWW-Authenticate"] = f'Bearer error="{refusal.error}"'
            return error_response(refusal, request_id, headers)
        self._record(token, request_id, None)
        return JSONResponse(_body(entry), headers={"Cache-Control": "no-store"})

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
        if PERMISSION not in token.permissions:
            raise OAuthError("insufficient_scope", f'the token lacks "{PERMISSION}"', status=403)
        return token

    def _data_authorization(self, token: IssuedToken, identifier: str) -> VaultCredential:
        disabled = self._cloud.directory.disabled
        if token.client_id in disabled or token.subject in disabled:
            raise OAuthError("access_denied", "the client or the user is disabled")
        entry = self._cloud.vault.find(identifier)
        if entry is None:
            raise OAuthError("credential_not_found", "the credential identifier is unknown", status=404)
        if not {token.client_id, token.subject} <= entry.readers:
            raise OAuthError("access_denied", "the caller may not read this credential")
        if not entry.enabled:
            raise OAuthError("access_denied", "the credential is disabled")
        return entry

    def _record(self, token: IssuedToken | None, request_id: str, refusal: OAuthError | None) -> None:
        self._cloud.events.add(
            Event(
                time=self._cloud.clock(),
                event="ObtainCredential",
                result="failed" if refusal else "success",
                client=token.client_id if token else None,
                subject=token.subject if token else None,
                audience=PAM_AUDIENCE,
                permissions=(PERMISSION,),
                subject_jti=token.jti if token else None,
                error=refusal.error if refusal else None,
                request_id=request_id,
            )
        )


def _check_instance(request: Request) -> None:
    if request.path_params["instance"] != INSTANCE:
        raise OAuthError("instance_not_found", "the instance is unknown", status=404)


def _body(entry: VaultCredential) -> dict[str, Any]:
    """Names in camelCase, times in milliseconds."""
    return {
        "instanceId": INSTANCE,
        "credentialId": entry.credential_id,
        "credentialIdentifier": entry.identifier,
        "credentialName": entry.name,
        "credentialType": "api_key",
        "credentialScenarioLabel": entry.scenario,
        "credentialCreationType": "user_custom",
        "status": "enabled",
        "createTime": int(entry.created_at * 1000),
        "updateTime": int(entry.updated_at * 1000),
        "credentialContent": {"apiKeyContent": {"apiKey": entry.api_key}},
    }
