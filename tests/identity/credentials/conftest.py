"""A broker on an issuer whose calls a test completes."""

from typing import Any

import pytest

from identity.credentials.broker import CredentialBroker
from tests.identity.credentials.held_issuer import HeldIssuer


@pytest.fixture
def issuer(clock: Any) -> HeldIssuer:
    return HeldIssuer(clock)


@pytest.fixture
def broker(issuer: HeldIssuer, clock: Any) -> CredentialBroker:
    return CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0)
