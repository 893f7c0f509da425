"""A broker on an issuer whose calls a test completes."""

from typing import Any

import pytest

from identity.credentials.broker import CredentialBroker
from tests.identity.credentials.controlled_issuer import ControlledIssuer


@pytest.fixture
def issuer(clock: Any) -> ControlledIssuer:
    return ControlledIssuer(clock)


@pytest.fixture
def broker(issuer: ControlledIssuer, clock: Any) -> CredentialBroker:
    return CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0)
