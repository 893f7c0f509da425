"""The services that the settings declare: those of the variables first, then those of SERVICES_FILE.

Both kinds are declarations of one form: `tools.declared_service` makes them in one way. What the
file cannot set, and the vendor's tutorial defines for its two services, is added here: the codes of their
failures.
"""

from typing import Final

from agent.errors.error_table import ENTERPRISE_SETTINGS, EXTERNAL_SETTINGS
from agent.settings.built_in_titles import AMAP, ENTERPRISE, LEAVE
from agent.settings.settings import Settings
from graph.approvals.titles import Titles
from identity.principal import AccessIdentity
from tools.declared_service import DeclaredService
from tools.error_codes import ToolCode
from tools.service_declarations import BuiltInDeclaration, HTTPDeclaration, MCPDeclaration
from tools.services_file import BUILT_IN
from tools.titles import ServiceTitles

ENTRY_POINTS: Final = "idaas_agent.services"
"""The group of entry points by which installed packages declare services. An entry is a function of the
`ssl.SSLContext` to trust; it returns a `Service`."""
_AMAP_TOOLS: Final = (
    *("maps_around_search", "maps_bicycling", "maps_direction_bicycling", "maps_direction_driving"),
    *("maps_direction_transit_integrated", "maps_direction_walking", "maps_distance", "maps_geo"),
    *("maps_ip_location", "maps_regeocode", "maps_schema_navi", "maps_schema_personal_map"),
    *("maps_schema_take_taxi", "maps_search_detail", "maps_text_search", "maps_weather"),
)
"""They search, measure, and make links that the user may open."""


def declared_services(settings: Settings) -> list[DeclaredService]:
    """The declared services, in the order in which the model sees them."""
    s = settings
    declared = [*_built_in(s), *_enterprise(s)]
    if s.leave_service_url and s.leave_service_scope:
        leave = HTTPDeclaration(
            type="http",
            url=s.leave_service_url,
            access_token=s.leave_service_scope,
            access_identity=AccessIdentity.HUMAN,
            python="tools.leave:service",
            titles=LEAVE,
        )
        declared.append(DeclaredService("leave", leave, ("LEAVE_SERVICE_URL", "LEAVE_SERVICE_SCOPE")))
    return declared + [
        DeclaredService(name, declaration, (f"services.{name} in SERVICES_FILE",))
        for name, declaration in s.services.items()
        if not isinstance(declaration, BuiltInDeclaration)
    ]


def titles_of(settings: Settings) -> Titles:
    """The operator's titles of the declared services, and those of this project for its own."""
    titles: dict[str, ServiceTitles] = {}
    for declared in declared_services(settings):
        declaration = declared.declaration
        of_tools = {declaration.prefix + tool: titles for tool, titles in declaration.titles.items()}
        titles[declared.name] = ServiceTitles(declaration.title, of_tools)
    return Titles(titles)


def _built_in(s: Settings) -> list[DeclaredService]:
    """The external MCP server, if its key is named."""
    if s.external_server_api_key_identifier is None:
        return []
    of_file = dict(s.services.get(BUILT_IN, ()))
    offered = of_file.get("tools") or AMAP
    of_project = {tool: titles for tool, titles in AMAP.items() if tool in offered}
    built_in = {
        **of_file,
        "titles": of_project | dict(of_file.get("titles", ())),
        "type": "mcp",
        "url": s.external_server_url,
        "api_key": s.external_server_api_key_identifier,
        "timeout_seconds": 25,
    }
    declaration = MCPDeclaration.model_validate(built_in)
    codes = ToolCode.EXTERNAL_SERVICE_FAILED, ToolCode.EXTERNAL_API_KEY_UNAVAILABLE
    return [DeclaredService(BUILT_IN, declaration, EXTERNAL_SETTINGS, *codes, _AMAP_TOOLS)]


def _enterprise(s: Settings) -> list[DeclaredService]:
    """The enterprise service, if its address is set."""
    if s.enterprise_service_url is None:
        return []
    declaration = HTTPDeclaration(
        type="http",
        url=s.enterprise_service_url,
        access_token=s.enterprise_service_scope,
        python="tools.enterprise:service",
        titles=ENTERPRISE,
    )
    code = ToolCode.ENTERPRISE_SERVICE_FAILED
    return [DeclaredService("enterprise", declaration, ENTERPRISE_SETTINGS, code)]
