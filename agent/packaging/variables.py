"""Which of the agent's variables go into a deployment description, and which must not."""

from collections.abc import Mapping
from typing import Final

from agent.settings.settings import variables

_CODE: Final = "/code"
_OF_THE_PACKAGE: Final = {
    "AGENT_HOST": "0.0.0.0",  # noqa: S104 - the platform's gateway is in front
    "CLOUD_IDAAS_CONFIG_PATH": f"{_CODE}/client-config.json",
    "CONVERSATIONS_URL": "none",  # an instance's files end with it, and are missing in the others
}
_SECRET: Final = frozenset({"REDIS_URL"})
"""Variables whose value contains a secret."""
_OF_THE_PLATFORM: Final = ("ALIBABA_CLOUD_", "ECS_METADATA_", "FC_REGION")
"""Beginnings of variables that the platform sets: the credential of the execution role among them."""
_OF_THIS_MACHINE: Final = frozenset({"SSL_CERT_FILE", "AUDIT_LOG_FILE", "REVOCATIONS_FILE", "SERVICES_FILE"})
"""Variables that name files of this machine."""


def deployed_variables(environment: Mapping[str, str], port: int) -> tuple[dict[str, str], list[str]]:
    """The variables of the deployed agent, and a sentence for each set variable that is left out."""
    kept, left_out = dict(_OF_THE_PACKAGE) | {"AGENT_PORT": str(port)}, []
    for name in variables():
        value = environment.get(name, "").strip()
        if name == "CONVERSATIONS_URL" and value not in ("", "none"):
            left_out.append(
                f'{name} is "none" in s.yaml: for conversations, set a PostgreSQL on the platform'
            )
        if not value or name in kept or name.startswith(_OF_THE_PLATFORM):
            continue
        if name in _SECRET:
            left_out.append(f"{name} is not in s.yaml: it contains a password; set it on the platform")
        elif (name in _OF_THIS_MACHINE or name.endswith("_FILE")) and value != "-":
            left_out.append(f"{name} is not in s.yaml: it names a file of this machine")
        else:
            kept[name] = value
    return dict(sorted(kept.items())), left_out
