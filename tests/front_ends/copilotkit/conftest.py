"""CopilotKit's runtime takes half a minute to install: `make frontends`. Until then its tests are skipped."""

from pathlib import Path

import pytest

from tests.front_ends.ag_ui.conftest import server, variables  # noqa: F401 - fixtures

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips the tests of this folder if the runtime is missing."""
    if (HERE / "node_modules" / "@copilotkit").exists():
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="CopilotKit's runtime is not installed: make frontends"))
