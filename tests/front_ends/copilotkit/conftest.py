"""CopilotKit's runtime takes half a minute to install: `make frontends` does that, and runs these tests."""

from tests.front_ends.ag_ui.conftest import server, variables  # noqa: F401 - fixtures
