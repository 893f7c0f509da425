"""Users of the models, and what a response has used."""

from langchain_core.messages.ai import UsageMetadata

from identity.access_token.verified_access_token import KeptClaim, VerifiedAccessToken, assume_verified
from identity.principal import Principal
from identity.secrets.secret import Secret


def caller(
    subject: str, *, is_client: bool = False, expires_at: float = 1e12, **claims: KeptClaim
) -> VerifiedAccessToken:
    return assume_verified(
        principal=Principal("https://idaas.example", subject),
        audience=("agent",),
        scopes=frozenset(),
        expires_at=expires_at,
        fingerprint=subject,
        token=Secret(f"{subject}-at"),
        claims=claims,
        is_client=is_client,
    )


def used(inward: int, outward: int) -> UsageMetadata:
    return UsageMetadata(input_tokens=inward, output_tokens=outward, total_tokens=inward + outward)
