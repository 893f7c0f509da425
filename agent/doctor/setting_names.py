"""The variable or member to correct: where the address and the credential of each part come from."""

from dataclasses import dataclass

from agent.error_codes import AgentCode
from agent.settings.variables import Settings
from graph.error_codes import GraphCode
from identity.error_codes import IdentityCode
from identity.errors import AgentError
from tools.error_codes import ToolCode


@dataclass(frozen=True, slots=True)
class Origin:
    """An address, the setting that configures it, and the one that names its credential; `""` if unknown."""

    url: str = ""
    url_variable: str = ""
    need_variable: str = ""


def origin_of(settings: Settings, part: str, error: AgentError) -> Origin:
    """Of a failure in `part`. `url` is empty if the error has no address, or comes from a service that the
    variables do not configure."""
    s, need = settings, _NEEDS.get(part, "the scope in the tool's declaration")
    if part == "model" and s.llm_api_key_file is not None:
        need = "LLM_API_KEY_FILE"
    if error.code is AgentCode.SETTINGS_INVALID and s.redis_url is not None:
        return Origin(s.redis_url.reveal(), "REDIS_URL", need)
    if error.code is IdentityCode.JWKS_UNAVAILABLE:
        return Origin(s.jwks_url, "JWKS_ENDPOINT", need)
    if error.code is IdentityCode.IDAAS_UNREACHABLE:
        if error.detail.startswith("Developer API"):
            return Origin(s.idaas.developer_api_endpoint, "developerApiEndpoint", need)
        return Origin(s.idaas.token_endpoint, "tokenEndpoint", need)
    addresses: dict[str, tuple[str | None, str]] = {
        "model": (s.llm_base_url, "LLM_BASE_URL"),
        "amap": (s.external_server_url, "EXTERNAL_SERVER_URL"),
        "enterprise": (s.enterprise_service_url, "ENTERPRISE_SERVICE_URL"),
        "leave": (s.leave_service_url, "LEAVE_SERVICE_URL"),
    }
    url, variable = addresses.get(part, (None, "the address in the tool's declaration"))
    if error.code not in _OF_SERVICES:
        url = None
    return Origin(url or "", variable, need)


_NEEDS = {
    "model": "LLM_API_KEY_IDENTIFIER",
    "amap": "EXTERNAL_SERVER_API_KEY_IDENTIFIER",
    "enterprise": "ENTERPRISE_SERVICE_SCOPE",
    "leave": "LEAVE_SERVICE_SCOPE",
}
_OF_SERVICES = frozenset(
    {
        GraphCode.MODEL_CALL_FAILED,
        ToolCode.EXTERNAL_SERVICE_FAILED,
        ToolCode.ENTERPRISE_SERVICE_FAILED,
        ToolCode.SERVICE_FAILED,
    }
)
