"""A verifier's refusal of a token as invalid."""

from typing import Any

import pytest

from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, InsufficientScopeError


async def refused(issuer: Any, token: str, **verifier: Any) -> str:
    """The detail of the refusal; the token must be refused as invalid."""
    with pytest.raises(AccessTokenError) as caught:
        await issuer.verifier(**verifier).verify(token)
    assert caught.value.code is IdentityCode.ACCESS_TOKEN_INVALID
    assert not isinstance(caught.value, InsufficientScopeError)
    return caught.value.detail
