"""A revoked token is refused at the next use, remembered or not."""

from typing import Any

import pytest

from identity.access_token.revocation import Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verifier import LEEWAY, LONGEST_LIFETIME, REVOCATION_REACH
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, InsufficientScopeError, UnreachableError

pytestmark = pytest.mark.promise("revoked-refused")


def revoke(revocations: RevocationList, until: float | None, changed_at: float = 1.0) -> None:
    revocations.apply(Revocation(Target.USER, "user_alice01", Origin.OPERATOR, until, changed_at))


async def refused(verifier: Any, token: str) -> str:
    with pytest.raises(AccessTokenError) as caught:
        await verifier.verify(token)
    return caught.value.code


async def test_cached_token_is_refused_after_the_revocation(issuer: Any) -> None:
    revocations = RevocationList()
    verifier = issuer.verifier(revocations=revocations)
    token = issuer.token()
    assert (await verifier.verify(token)).issued_at == issuer.clock.now
    revoke(revocations, issuer.clock.now)
    assert await refused(verifier, token) is IdentityCode.ACCESS_REVOKED
    assert await refused(issuer.verifier(revocations=revocations), token) is IdentityCode.ACCESS_REVOKED


async def test_restored_token_is_accepted_again(issuer: Any) -> None:
    revocations = RevocationList()
    verifier = issuer.verifier(revocations=revocations)
    token = issuer.token()
    revoke(revocations, issuer.clock.now)
    await refused(verifier, token)
    revoke(revocations, None, changed_at=2.0)
    assert await verifier.verify(token)


async def test_no_token_is_accepted_until_the_revocations_were_read(issuer: Any) -> None:
    revocations = RevocationList()
    verifier = issuer.verifier(revocations=revocations)
    token = issuer.token()
    cached = await verifier.verify(token)
    revocations.unread = UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "they were not read")
    for use in (verifier.verify(token), issuer.verifier(revocations=revocations).verify(token)):
        with pytest.raises(UnreachableError, match="they were not read"):
            await use
    with pytest.raises(UnreachableError, match="they were not read") as refused_again:
        verifier.verify_again(cached)
    # It is another object for each request: a traceback reaches the variables of its request.
    assert refused_again.value is not revocations.unread
    assert revocations.unread.__traceback__ is None
    revoke(revocations, issuer.clock.now)
    assert await refused(verifier, token) is IdentityCode.ACCESS_REVOKED
    revoke(revocations, None, changed_at=2.0)
    revocations.unread = None
    assert await verifier.verify(token)


async def test_revoked_token_without_the_scope_is_refused_as_revoked(issuer: Any) -> None:
    revocations = RevocationList()
    revoke(revocations, issuer.clock.now)
    with pytest.raises(AccessTokenError) as caught:
        await issuer.verifier(revocations=revocations).verify(issuer.token(scope=""))
    assert not isinstance(caught.value, InsufficientScopeError)


async def test_forged_token_is_not_reported_as_revoked(issuer: Any) -> None:
    revocations = RevocationList()
    revoke(revocations, issuer.clock.now)
    forged = issuer.token().rsplit(".", 1)[0] + ".AAAA"
    assert (
        await refused(issuer.verifier(revocations=revocations), forged) is IdentityCode.ACCESS_TOKEN_INVALID
    )


async def test_token_of_the_longest_lifetime_is_refused_until_it_expires(issuer: Any) -> None:
    revocations = RevocationList(reach=REVOCATION_REACH, clock=lambda: issuer.clock.now)
    verifier = issuer.verifier(revocations=revocations)
    issued_at = issuer.clock.now
    token = issuer.token(iat=issued_at, exp=issued_at + LONGEST_LIFETIME)
    assert await verifier.verify(token)
    revoke(revocations, issued_at + LEEWAY, changed_at=issued_at)
    issuer.clock.now = issued_at + LONGEST_LIFETIME + LEEWAY - 1
    revocations.apply(Revocation(Target.USER, "other", Origin.OPERATOR, 1.0, issuer.clock.now))
    assert await refused(verifier, token) is IdentityCode.ACCESS_REVOKED
    issuer.clock.now += 1
    assert await refused(verifier, token) is IdentityCode.ACCESS_TOKEN_INVALID


@pytest.mark.parametrize(("issued_after", "accepted"), [(0, True), (-1, False), (..., True)])
async def test_token_of_a_longer_lifetime_is_refused(issuer: Any, issued_after: Any, accepted: bool) -> None:
    now = issuer.clock.now
    claims = {"iat": ... if issued_after is ... else now + issued_after, "exp": now + LONGEST_LIFETIME}
    verifier = issuer.verifier()
    if accepted:
        assert await verifier.verify(issuer.token(**claims))
    else:
        assert await refused(verifier, issuer.token(**claims)) is IdentityCode.ACCESS_TOKEN_INVALID


async def test_undated_token_is_refused_if_it_expires_after_the_longest_lifetime(issuer: Any) -> None:
    token = issuer.token(iat=..., exp=issuer.clock.now + LONGEST_LIFETIME + LEEWAY + 1)
    assert await refused(issuer.verifier(), token) is IdentityCode.ACCESS_TOKEN_INVALID
