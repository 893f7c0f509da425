"""The operations on JWTs of PAM: generate, obtain again, validate, revoke, reinstate, list."""

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.addresses import INSTANCE
from sandbox.developer_api.endpoint import Members, check_released, text
from sandbox.oauth_error import OAuthError
from sandbox.state.access_tokens import IssuedToken
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT
from sandbox.state.jwt_providers import JwtProvider, StoredJwt

OBTAIN, MANAGE, READ = (f"authentication_token:{right}" for right in ("obtain", "manage", "read"))
_RESERVED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
_LONGEST = 30 * 24 * 3600
_PAGE = 20


class JwtOperations:
    """Each method is an operation. A client that may use a provider chooses the subject, as at IDaaS."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def generate(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """GenerateJwtAuthenticationToken."""
        provider = self._provider(token, text(given, "credentialProviderIdentifier"))
        audiences, claims = given.get("audiences"), given.get("customClaims", {})
        if not isinstance(audiences, list) or not audiences or not all(isinstance(a, str) for a in audiences):
            raise OAuthError("invalid_request", 'member "audiences" must be a list of texts')
        if any(audience.startswith("urn:cloud:idaas") for audience in audiences):
            raise OAuthError("invalid_audience", 'an audience must not begin with "urn:cloud:idaas"')
        if not isinstance(claims, dict) or _RESERVED & claims.keys():
            raise OAuthError("invalid_request", 'member "customClaims" must have no registered claim')
        issuer, lifetime = given.get("issuer"), given.get("expiration", provider.lifetime)
        if issuer not in (None, provider.issuer, *provider.allowed_issuers):
            raise OAuthError("invalid_issuer", "the issuer is not in the provider's list")
        if isinstance(lifetime, bool) or not isinstance(lifetime, int) or not 0 < lifetime <= _LONGEST:
            raise OAuthError("invalid_request", 'member "expiration" must be a number of seconds')
        stored = self._cloud.jwt_providers.issue(
            provider,
            creator=token.client_id,
            subject=text(given, "subject"),
            audiences=audiences,
            issuer=issuer,
            lifetime=lifetime,
            claims=claims,
            short_token=given.get("includeDerivedShortToken") is True,
        )
        return self._described(stored) | _content(stored)

    def obtain(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """ObtainJwtAuthenticationToken: the text of a JWT of the client again."""
        stored = self._cloud.jwt_providers.by_id(text(given, "authenticationTokenId"))
        if stored is None or (stored.consumer, stored.creator) != (
            text(given, "consumerId"),
            token.client_id,
        ):
            raise _not_found()
        return self._described(stored) | _content(stored)

    def obtain_by_short_token(self, given: Members) -> dict[str, Any]:
        """ObtainJwtAuthenticationTokenByDerivedShortToken."""
        short = text(given, "derivedShortToken")
        stored = self._cloud.jwt_providers.by_text(short)
        if stored is None or stored.short_token != short or not self._cloud.jwt_providers.is_active(stored):
            raise _not_found()
        return self._described(stored) | _content(stored)

    def validate(self, given: Members) -> dict[str, Any]:
        """ValidateAuthenticationToken."""
        stored = self._cloud.jwt_providers.by_text(text(given, "token"))
        return {"active": stored is not None and self._cloud.jwt_providers.is_active(stored)}

    def mark(self, *, revoked: bool) -> Callable[[IssuedToken, Members], dict[str, Any]]:
        """RevokeAuthenticationToken, ReinstateAuthenticationToken."""

        def perform(token: IssuedToken, given: Members) -> dict[str, Any]:
            stored = self._cloud.jwt_providers.by_text(text(given, "token"))
            if stored is None or stored.creator != token.client_id:
                raise _not_found()
            stored.revoked = revoked
            return {}

        return perform

    def mark_by_consumer(self, *, revoked: bool) -> Callable[[IssuedToken, Members], dict[str, Any]]:
        """RevokeAuthenticationTokenByConsumer, ReinstateAuthenticationTokenByConsumer."""

        def perform(token: IssuedToken, given: Members) -> dict[str, Any]:
            for stored in self._of_consumer(token, given):
                stored.revoked = revoked
            return {}

        return perform

    def list(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """ListAuthenticationTokens, in pages; `nextToken` is where the next one begins."""
        try:
            begin, most = int(given.get("nextToken", 0)), min(int(given.get("maxResults", _PAGE)), 100)
        except ValueError:
            raise OAuthError("invalid_request", "nextToken and maxResults must be numbers") from None
        found = [
            self._described(stored)
            for stored in self._of_consumer(token, given)
            if _wanted(given.get("revoked"), stored.revoked)
            and _wanted(given.get("expired"), stored.expires_at <= self._cloud.clock())
        ]
        page = found[max(begin, 0) : max(begin, 0) + max(most, 1)]
        more = {"nextToken": str(begin + most)} if begin + most < len(found) else {}
        return {"entities": page, "maxResults": most, "totalCount": len(found), **more}

    def _of_consumer(self, token: IssuedToken, given: Members) -> Iterable[StoredJwt]:
        consumer = text(given, "consumerId")
        provider = self._provider(token, text(given, "credentialProviderIdentifier"))
        for stored in self._cloud.jwt_providers.stored():
            if (stored.consumer, stored.provider) == (consumer, provider):
                yield stored

    def _provider(self, token: IssuedToken, identifier: str) -> JwtProvider:
        provider = self._cloud.jwt_providers.find(identifier)
        if provider is None:
            raise OAuthError("credential_provider_not_found", "the provider is unknown", status=404)
        check_released(self._cloud, token, provider.readers)
        if not provider.enabled:
            raise OAuthError("credential_disabled", "the provider is disabled", status=403)
        return provider

    def _described(self, stored: StoredJwt) -> dict[str, Any]:
        """Without the JWT. Names in camelCase, times in milliseconds."""
        return {
            "instanceId": INSTANCE,
            "authenticationTokenId": stored.token_id,
            "authenticationTokenType": "jwt",
            "credentialProviderId": stored.provider.provider_id,
            "creatorType": "application",
            "creatorId": stored.creator,
            "consumerType": "application" if stored.consumer == AGENT else "custom",
            "consumerId": stored.consumer,
            "revoked": stored.revoked,
            "createTime": int(stored.created_at * 1000),
            "updateTime": int(stored.created_at * 1000),
            "expirationTime": int(stored.expires_at * 1000),
        }


def _content(stored: StoredJwt) -> dict[str, Any]:
    short = {} if stored.short_token is None else {"derivedShortToken": stored.short_token}
    return {"jwtContent": {"jwtValue": stored.value, **short}}


def _wanted(filter_text: object, value: bool) -> bool:
    return filter_text is None or str(filter_text).lower() == str(value).lower()


def _not_found() -> OAuthError:
    return OAuthError("authentication_token_not_found", "the token is unknown", status=404)
