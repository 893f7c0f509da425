"""The verifier of callers' access tokens, as the settings want it."""

import time
from collections.abc import Callable

from agent.settings.settings import Settings
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verifier import AccessTokenVerifier, VerificationMeasures
from identity.signing_keys.jwks import Jwks


def access_token_verifier(
    settings: Settings,
    keys: Jwks,
    revocations: RevocationList,
    *,
    clock: Callable[[], float] = time.time,
    measures: VerificationMeasures | None = None,
    of_clients: str | None = None,
) -> AccessTokenVerifier:
    """The verifier of people, as the settings say; with a scope `of_clients`, of clients that have it."""
    return AccessTokenVerifier(
        issuer=settings.idaas.issuer,
        audience=settings.agent_audience,
        scope=of_clients or settings.agent_scope,
        keys=keys,
        clients=[settings.idaas.client_id, *settings.client_ids.split()],
        allow_clients=of_clients is not None or settings.allow_client_callers,
        allow_people=of_clients is None,
        kept_claims=settings.caller_claims.split(),
        revocations=revocations,
        clock=clock,
        measures=measures or VerificationMeasures(),
    )
