"""The faults of variables."""

import pytest

from agent.settings.settings import read_settings
from identity.errors import ConfigurationError


def faults(environment: dict[str, str]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(environment)
    return caught.value
