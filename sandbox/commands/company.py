"""The company with which `idaas-agent up` begins: its people, an application, a service and its rules.

It is the example `policy`. The people are in every sandbox that a command runs. The service and its rules are
those of the agent of `up` unless it has others.
"""

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from identity.settings.env_file import read_env_file
from sandbox.addresses import Addresses

_EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "policy"
PEOPLE: Final = _EXAMPLE / "sandbox.toml"
"""What a `sandbox.toml` adds to."""
_EDITED: Final = ("policy.cedar", "instructions.txt")
"""Files that people change: a later start keeps them."""
_OF_THE_AGENT: Final = ("GRAPH", "POLICY_FILE", "POLICY_URL", "SERVICES_FILE", "SYSTEM_PROMPT_FILE")
"""Variables of an agent that has services, rules or instructions of its own."""


def company_variables(given: Mapping[str, str], folder: Path, addresses: Addresses) -> dict[str, str]:
    """The variables of the company's service, rules and instructions, whose files are copied to `folder`, and
    which `company/agent.env` has there for other commands.

    Empty if `given` has one of its own, or if what evaluates the rules is not installed.
    """
    if any(given.get(name) for name in _OF_THE_AGENT) or find_spec("cedarpy") is None:
        return {}
    company = folder / "company"
    company.mkdir(parents=True, exist_ok=True)
    for source in sorted(_EXAMPLE.iterdir()):
        target = company / source.name
        is_kept = source.name in _EDITED and target.exists()
        if source.is_file() and not is_kept:
            shutil.copyfile(source, target)
    services = company / "services.toml"
    text = services.read_text("utf-8").replace("https://localhost:9445", addresses.function_compute)
    services.write_text(text, "utf-8")
    variables = dict(read_env_file(_EXAMPLE / "agent.env"))
    files = {name: str((company / value).resolve()) for name, value in variables.items() if "_FILE" in name}
    variables |= files
    lines = [f"{name}={value}" for name, value in variables.items()]
    (company / "agent.env").write_text("\n".join([*lines, ""]), "utf-8")
    return variables
