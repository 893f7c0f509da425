"""Whether Aegra has the project's auth handler."""

from types import SimpleNamespace
from typing import Any

import pytest
from langgraph_sdk import Auth

from agent.api.langgraph.aegra import force
from agent.api.langgraph.authorization import auth
from agent.api.langgraph.entry import auth as exported
from identity.errors import ConfigurationError

pytestmark = pytest.mark.promise("verified-caller")


def test_exported_handler_is_in_force() -> None:
    assert force.fault_of(SimpleNamespace(auth_instance=exported)) is None
    force.require(SimpleNamespace(auth_instance=auth))


@pytest.mark.parametrize("loaded", [None, Auth(), "auth"])
def test_every_other_handler_is_a_fault(loaded: Any) -> None:
    with pytest.raises(ConfigurationError, match="settings_invalid"):
        force.require(SimpleNamespace(auth_instance=loaded))
    assert force.fault_of(object()) is not None
