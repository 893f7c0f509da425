"""The variables of prepared runs."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from agent.settings.plugin_variables import PluginVariables
from identity.settings.values import Word


class PreparedRunVariables(PluginVariables):
    """Who prepares runs for users, how long they wait, and how many."""

    heading = "Prepared runs"

    prepare_scope: Word | None = None
    """The permission with which applications prepare runs for users (`plugins/prepared_runs/README.md`).
    Without it, none do."""
    prepared_run_seconds: float = Field(86_400, gt=0, le=604_800, allow_inf_nan=False)
    """How long a prepared run waits for its user, unless its client asks for less. At most seven days."""
    max_prepared_by_client: int = Field(1000, gt=0)
    """How many prepared runs of one application may wait. Beyond them: 429."""
    max_prepared_for_user: int = Field(20, gt=0)
    """How many prepared runs may wait for one user, of one application at most a quarter. Beyond them:
    429."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        if "prepare_scope" in given and given.get("conversations_url") == "none":
            yield "CONVERSATIONS_URL must not be none if PREPARE_SCOPE is set: prepared runs are stored"
