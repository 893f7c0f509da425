"""The variables of the services that the agent calls."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from agent.settings.variables.model import MODEL_STUDIO
from identity.settings.values import Url, VariableGroup, Word, existing_file, missing_together


def _permission_of_audience(value: str) -> str:
    audience, bar, permission = value.partition("|")
    if not bar or not audience or not permission or "|" in permission or value.split() != [value]:
        raise ValueError("must have the form audience|permission")
    return value


Scope = Annotated[str, AfterValidator(_permission_of_audience)]


class ServiceVariables(VariableGroup):
    """Address and credential of each service."""

    heading = "Services"

    enterprise_service_url: Url | None = None
    """The enterprise service, behind its HTTP trigger. Without it, there is none."""
    enterprise_service_scope: Scope | None = None
    """Audience and permission of the enterprise service, as `audience|permission`. With
    `ENTERPRISE_SERVICE_URL`, or not at all."""
    external_server_url: Url = f"{MODEL_STUDIO}/api/v1/mcps/amap-maps/mcp"
    """The external MCP server (streamable HTTP)."""
    external_server_api_key_identifier: Word | None = None
    """The identifier of the external MCP server's API key in IDaaS. Without it, the server is not used."""
    leave_service_url: Url | None = None
    """The example tool's service."""
    leave_service_scope: Scope | None = None
    """The example tool's `audience|permission`. With `LEAVE_SERVICE_URL`, or not at all."""
    services_file: Annotated[Path, AfterValidator(existing_file)] | None = None
    """More services and tools, as TOML (`docs/tools.md`)."""
    graph: Annotated[str, Field(pattern=r"^(\S+\.py|[^\W\d][\w.]*):[^\W\d]\w*$")] | None = None
    """Your own graph: `package.module:function`, or `file.py:function` in the folder of `SERVICES_FILE`. The
    function adds nodes to the agent's graph (`docs/graphs.md`), or makes that of your LangGraph app
    (`docs/library.md`)."""
    accepted_tools_file: Path = Path(".idaas-agent/accepted-tools.json")
    """The file with digests of the accepted tools of MCP servers (`docs/mcp.md`), for the processes of
    one machine."""

    @classmethod
    def missing_faults(cls, given: Mapping[str, str]) -> dict[str, str]:
        missing = missing_together(given, "leave_service_url", "leave_service_scope")
        missing |= missing_together(given, "enterprise_service_url", "enterprise_service_scope")
        key = "external_server_api_key_identifier"
        if "external_server_url" in given and key not in given:
            missing[key] = f"{key.upper()} must be set with EXTERNAL_SERVER_URL"
        return missing
