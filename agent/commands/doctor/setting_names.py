"""The setting to correct: where the address and the credential of each part come from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.errors.error_codes import AgentCode
from agent.settings.declared_services import declared_services
from agent.settings.service_declarations import ServiceDeclaration
from agent.settings.settings import Settings
from graph.error_codes import GraphCode
from identity.error_codes import IdentityCode
from identity.errors import AgentError
from identity.idaas.client_authentication.plugin import Plugin
from tools.error_codes import ToolCode
from tools.service import Service


@dataclass(frozen=True, slots=True)
class Origin:
    """The address of a part, the settings that address and credential come from, and what the credential is.

    `url` is empty if the address is not known, or if the error is not about it.
    """

    url: str
    url_setting: str
    credential_setting: str
    credential: str = "the credential"


def origin_of(settings: Settings, services: Sequence[Service], part: str, error: AgentError) -> Origin:
    """Of a failure in `part`: `idaas`, `model`, or the name of a service."""
    origin = _of_settings(settings, part)
    if service := next((service for service in services if service.name == part), None):
        settings_of_service = ", ".join(service.settings)
        origin = origin or Origin("", settings_of_service, settings_of_service)
        origin = replace(origin, credential=str(service.credential or "a request without a credential"))
    declaration = f'the declaration of "{part}"'
    origin = origin or Origin("", declaration, declaration)
    match error.code:
        case AgentCode.SETTINGS_INVALID if settings.redis_url is not None:
            return replace(origin, url=settings.redis_url.reveal(), url_setting="REDIS_URL")
        case IdentityCode.JWKS_UNAVAILABLE:
            return replace(origin, url=settings.jwks_url, url_setting="JWKS_ENDPOINT")
        case IdentityCode.IDAAS_UNREACHABLE if error.detail.startswith("Developer API"):
            url = settings.idaas.developer_api_endpoint
            return replace(origin, url=url, url_setting="developerApiEndpoint")
        case IdentityCode.IDAAS_UNREACHABLE if isinstance(settings.idaas.client_authentication, Plugin):
            url = settings.idaas.client_authentication.endpoint
            return replace(origin, url=url, url_setting="openApiEndpoint")
        case IdentityCode.IDAAS_UNREACHABLE:
            return replace(origin, url=settings.idaas.token_endpoint, url_setting="tokenEndpoint")
    return origin if error.code in _ABOUT_AN_ADDRESS else replace(origin, url="")


def _of_settings(settings: Settings, part: str) -> Origin | None:
    """What the variables and SERVICES_FILE configure."""
    if part == "model":
        key = "LLM_API_KEY_IDENTIFIER" if settings.llm_api_key_file is None else "LLM_API_KEY_FILE"
        return Origin(settings.llm_base_url, "LLM_BASE_URL", key)
    declared = next((each for each in declared_services(settings) if each.name == part), None)
    if declared is None:
        return None
    url = declared.declaration.url
    if isinstance(settings.services.get(part), ServiceDeclaration):
        member = declared.declaration.credential_key or "access_token"
        place = f"services.{part}"
        return Origin(url, f"{place}.url in SERVICES_FILE", f"{place}.{member} in SERVICES_FILE")
    return Origin(url, declared.settings[0], declared.settings[-1])


_ABOUT_AN_ADDRESS = frozenset(
    {
        GraphCode.MODEL_CALL_FAILED,
        ToolCode.EXTERNAL_SERVICE_FAILED,
        ToolCode.ENTERPRISE_SERVICE_FAILED,
        ToolCode.SERVICE_FAILED,
    }
)
