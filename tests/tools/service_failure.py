"""The error of a failing call."""

import pytest

from identity.errors import ServiceError


async def failure_of(call) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value
