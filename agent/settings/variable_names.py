"""Detects variables whose names look like misspelt ones of the agent."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from agent.settings.settings import TOKEN_VARIABLE, variables

_KNOWN: Final = (
    TOKEN_VARIABLE,
    "AGENT_URL",
    "ENV_PRIVATE_KEY",
    "IDAAS_CLIENT_SECRET",
    "PAGE_GRANT",
    "PAGE_PORT",
    "SANDBOX_CONFIG",
    "SANDBOX_FUNCTION_COMPUTE_PORT",
    "SANDBOX_IDAAS_PLAIN_PORT",
    "SANDBOX_IDAAS_PORT",
    "SANDBOX_MODEL_STUDIO_PORT",
    "SANDBOX_URL",
)
_OF_OTHERS: Final = ("AGENT_OS", "ALIBABA_CLOUD_CREDENTIALS_FILE", "NIX_SSL_CERT_FILE")
"""Variables of other programs with similar names: of Azure Pipelines, the vendor's library and Nix."""
_OPENTELEMETRY: Final = "OTEL_"
"""Its variables resemble each other, and its SDK reads many that the agent does not."""
_LIKENESS: Final = 0.85
"""A ratio of `difflib`: one missing, wrong, added or swapped letter in a name of at least seven."""


def misspelt_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable whose name resembles one that the agent reads.

    It contains no value. Names that resemble none are ignored.
    """
    names = [*variables(), *_KNOWN]
    set_names = set(environment)
    own = {name for name in set_names - {*names, *_OF_OTHERS} if not name.startswith(_OPENTELEMETRY)}
    return [
        f"{name} is set, but it is no variable of the agent: did you mean {nearest}?"
        for name in sorted(own - _of_own_services(set_names))
        for nearest in get_close_matches(name.upper(), names, 1, _LIKENESS)
    ]


def _of_own_services(names: set[str]) -> set[str]:
    """Address and credential of added services, such as those of the sandbox's `agent.env`.

    Only pairs are recognized, because a misspelling would not produce a pair: `TRAVEL_SERVICE_URL`,
    `TRAVEL_SERVICE_SCOPE`.
    """
    pairs: set[str] = set()
    for address in (name for name in names if name.endswith("_SERVICE_URL")):
        service = address.removesuffix("_SERVICE_URL")
        pair = {f"{service}_SERVICE_SCOPE", f"{service}_API_KEY_IDENTIFIER"} & names
        if pair:
            pairs |= {address, *pair}
    return pairs
