"""The grants of the token endpoint, each: parameters of an authenticated client → token answer."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox.idaas.sign_in.authorization_code import AuthorizationCodes
from sandbox.idaas.tokens.issuance import id_token, record_issued, token_answer
from sandbox.idaas.tokens.machine_grants import TokenRequest, client_credentials, token_exchange
from sandbox.idaas.tokens.refresh_token import RefreshTokens
from sandbox.idaas.tokens.scope import RequestedScope, user_permissions
from sandbox.oauth_error import OAuthError, required
from sandbox.state.cloud import Cloud
from sandbox.state.directory import GrantType

Grant = Callable[[TokenRequest], dict[str, Any]]


class Grants:
    """By the value of `grant_type`: the name under which it is counted and allowed, and what it does."""

    def __init__(self, cloud: Cloud, codes: AuthorizationCodes, refresh_tokens: RefreshTokens) -> None:
        self._cloud = cloud
        self._refresh_tokens = refresh_tokens
        self._codes = codes
        self.by_type: dict[str, tuple[GrantType, Grant]] = {
            "client_credentials": ("client_credentials", partial(client_credentials, cloud)),
            "urn:ietf:params:oauth:grant-type:token-exchange": (
                "token_exchange",
                partial(token_exchange, cloud),
            ),
            "authorization_code": ("authorization_code", self._authorization_code),
            "refresh_token": ("refresh_token", self._refresh_token),
        }

    def _authorization_code(self, request: TokenRequest) -> dict[str, Any]:
        """RFC 6749, section 4.1.3, with PKCE."""
        cloud, client, parameters = self._cloud, request.client, request.parameters
        grant = self._codes.redeem(
            required(parameters, "code"),
            client_id=client.client_id,
            redirect_uri=required(parameters, "redirect_uri"),
            verifier=required(parameters, "code_verifier"),
        )
        request.attempt.subject, request.attempt.audience = grant.subject, grant.audience
        user = cloud.directory.user_by_subject(grant.subject)
        if user is None or user.subject in cloud.directory.disabled:
            raise OAuthError("access_denied", "the user is disabled")
        minted = cloud.access_tokens.mint(
            client_id=client.client_id,
            subject=user.subject,
            audience=grant.audience,
            permissions=grant.permissions,
        )
        grant.issued_jti = minted.issued.jti
        record_issued(cloud, request.attempt, minted)
        more: dict[str, str] = {}
        if "refresh_token" in client.grant_types:
            more["refresh_token"] = self._refresh_tokens.begin(
                client_id=client.client_id,
                subject=user.subject,
                audience=grant.audience,
                permissions=grant.permissions,
            )
        if grant.openid:
            at = grant.authenticated_at
            more["id_token"] = id_token(cloud, client, user, authenticated_at=at, nonce=grant.nonce)
        return token_answer(minted, **more)

    def _refresh_token(self, request: TokenRequest) -> dict[str, Any]:
        """RFC 6749, section 6. The permissions are checked anew: a right that was withdrawn ends here."""
        cloud, client = self._cloud, request.client
        grant, following = self._refresh_tokens.redeem(
            required(request.parameters, "refresh_token"), client_id=client.client_id
        )
        request.attempt.subject, request.attempt.audience = grant.subject, grant.audience
        user = cloud.directory.user_by_subject(grant.subject)
        if user is None or not cloud.directory.disabled.isdisjoint({user.subject, client.client_id}):
            raise OAuthError("access_denied", "the user or the application is disabled")
        scope = RequestedScope(grant.audience, grant.permissions)
        minted = cloud.access_tokens.mint(
            client_id=client.client_id,
            subject=user.subject,
            audience=grant.audience,
            permissions=user_permissions(cloud.directory, client, user, scope, denied="invalid_scope"),
        )
        record_issued(cloud, request.attempt, minted)
        return token_answer(minted, refresh_token=following)
