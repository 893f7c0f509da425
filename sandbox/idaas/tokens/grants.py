"""The grants: from the parameters of an authenticated client to a token response.

The OpenAPI action GenerateOauthToken uses those of an application for itself or, by exchange, for a user.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox.idaas.sign_in.authorization_code import AuthorizationCodes
from sandbox.idaas.tokens.issuance import id_token, record_issued, token_answer
from sandbox.idaas.tokens.refresh_token import RefreshTokens
from sandbox.idaas.tokens.scope import RequestedScope, machine_permissions, parse_scope, user_permissions
from sandbox.oauth_error import OAuthError, required
from sandbox.state.access_tokens import IssuedToken, TokenRefusedError
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Application, GrantType, User
from sandbox.state.records import Event

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, not a token


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request of an authenticated client."""

    client: Application
    parameters: dict[str, str]
    attempt: Event


def client_credentials(cloud: Cloud, request: TokenRequest) -> dict[str, Any]:
    """RFC 6749, section 4.4: the client in its own name."""
    client = request.client
    scope = parse_scope(required(request.parameters, "scope"))
    request.attempt.subject, request.attempt.audience = client.client_id, scope.audience
    minted = cloud.access_tokens.mint(
        client_id=client.client_id,
        subject=client.client_id,
        audience=scope.target(),
        permissions=machine_permissions(cloud.directory, client, scope),
    )
    record_issued(cloud, request.attempt, minted)
    return token_answer(minted)


def token_exchange(cloud: Cloud, request: TokenRequest) -> dict[str, Any]:
    """RFC 8693, impersonation: the new token stands for the user of the subject token.

    Its lifetime is that of any access token: it may outlive the subject token.
    """
    client, parameters = request.client, request.parameters
    scope = parse_scope(required(parameters, "scope"))
    request.attempt.audience = scope.audience
    if parameters.get("audience", scope.target()) != scope.target():
        raise OAuthError("invalid_request", 'parameter "audience" must equal the audience of the scope')
    if "actor_token" in parameters or "actor_token_type" in parameters:
        raise OAuthError("invalid_request", "delegation by actor_token is not supported")
    token = required(parameters, "subject_token")
    if required(parameters, "subject_token_type") != ACCESS_TOKEN_TYPE:
        raise OAuthError("invalid_request", f'subject_token_type must be "{ACCESS_TOKEN_TYPE}"')
    if parameters.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
        raise OAuthError("invalid_request", f'requested_token_type must be "{ACCESS_TOKEN_TYPE}"')
    subject, user = _subject(cloud, request, token)
    minted = cloud.access_tokens.mint(
        client_id=client.client_id,
        subject=user.subject,
        audience=scope.target(),
        permissions=user_permissions(cloud.directory, client, user, scope, denied="invalid_scope"),
        depth=subject.depth + 1,
        actor=client.client_id,
        claims=user.token_claims(),
    )
    record_issued(cloud, request.attempt, minted)
    return token_answer(minted, issued_token_type=ACCESS_TOKEN_TYPE)


def _subject(cloud: Cloud, request: TokenRequest, token: str) -> tuple[IssuedToken, User]:
    attempt = request.attempt
    try:
        subject = cloud.access_tokens.verify(token)
    except TokenRefusedError as error:
        raise OAuthError("invalid_grant", f"subject_token: {error}", expired=error.expired) from error
    attempt.subject, attempt.subject_jti = subject.subject, subject.jti
    if cloud.settings.exchange_only_own and subject.audience != request.client.audience:
        raise OAuthError("invalid_grant", "subject_token must be addressed to the calling client")
    if subject.depth >= cloud.settings.exchange_depth:
        raise OAuthError("invalid_grant", "subject_token was exchanged too often")
    user = cloud.directory.user_by_subject(subject.subject)
    if user is None:
        raise OAuthError("invalid_grant", "subject_token must be a user's")
    if user.subject in cloud.directory.disabled:
        raise OAuthError("access_denied", "the user is disabled")
    return subject, user


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
            claims=user.token_claims(grant.authenticated_at),
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
                authenticated_at=grant.authenticated_at,
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
            claims=user.token_claims(grant.authenticated_at),
        )
        record_issued(cloud, request.attempt, minted)
        return token_answer(minted, refresh_token=following)
