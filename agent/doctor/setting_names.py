"""The variable or member to correct: where the address and the credential of each part come from."""

from dataclasses import dataclass

from agent.error_codes import AgentCode
from agent.settings.declared_services import declared_services
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
    """Of a failure in `part`. `url` is empty if the error has no address, or comes from a service of an
    installed package."""
    s = settings
    declared = next((each for each in declared_services(s) if each.name == part), None)
    need = "the scope in the tool's declaration"
    if part == "model":
        need = "LLM_API_KEY_FILE" if s.llm_api_key_file is not None else "LLM_API_KEY_IDENTIFIER"
    elif declared is not None:
        need = declared.settings[-1]
    if error.code is AgentCode.SETTINGS_INVALID and s.redis_url is not None:
        return Origin(s.redis_url.reveal(), "REDIS_URL", need)
    if error.code is IdentityCode.JWKS_UNAVAILABLE:
        return Origin(s.jwks_url, "JWKS_ENDPOINT", need)
    if error.code is IdentityCode.IDAAS_UNREACHABLE:
        if error.detail.startswith("Developer API"):
            return Origin(s.idaas.developer_api_endpoint, "developerApiEndpoint", need)
        return Origin(s.idaas.token_endpoint, "tokenEndpoint", need)
    url, variable = "", "the address in the tool's declaration"
    if part == "model":
        url, variable = s.llm_base_url, "LLM_BASE_URL"
    elif declared is not None:
        url, variable = declared.declaration.url, declared.settings[0]
    return Origin(url if error.code in _OF_SERVICES else "", variable, need)


_OF_SERVICES = frozenset(
    {
        GraphCode.MODEL_CALL_FAILED,
        ToolCode.EXTERNAL_SERVICE_FAILED,
        ToolCode.ENTERPRISE_SERVICE_FAILED,
        ToolCode.SERVICE_FAILED,
    }
)
