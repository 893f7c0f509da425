"""The agent card: what a client reads before it has an access token. Public, so it contains no secret.

Clients of version 0.3 read other members than clients of 1.0: `url`, `preferredTransport`, `protocolVersion`,
`security` and the scheme's `type`.

The card names the services of the vendor's tutorial and the example, which everybody can know. Services in
`SERVICES_FILE` and in installed packages are an operator's own, and lists of tools need a credential.
"""

from typing import Final

from agent.settings.declared_services import declared_services
from agent.settings.settings import Settings
from plugins.a2a.members import JSON, OLDER_VERSION, PROTOCOL_VERSION, RPC_PATH, TEXT, Members
from tools import VERSION
from tools.file import IMAGE_TYPES

SCHEME: Final = "idaas"
"""The name of the security scheme."""

_CONVERSATION: Final = {
    "id": "conversation",
    "name": "Conversation",
    "description": "Answers questions in any language, with services under the rights of the signed-in "
    "user or of the agent. Asks the user before it changes something.",
    "tags": ["chat"],
    "examples": ["What can you do for me?"],
}
_SKILLS: Final = {
    "amap": {
        "name": "Maps and weather",
        "description": "Places, routes and the weather in China.",
        "tags": ["maps", "weather"],
        "examples": ["What is the weather in Hangzhou right now?"],
    },
    "enterprise": {
        "name": "Enterprise service",
        "description": "Calls the company's internal service.",
        "tags": ["enterprise"],
        "examples": ["Call my enterprise service"],
    },
    "leave": {
        "name": "Leave",
        "description": "The employee's leave: how much is left, applications and their cancellation.",
        "tags": ["leave", "approval"],
        "examples": ["How many days of leave do I have left?"],
    },
}


def agent_card(settings: Settings, base_url: str) -> Members:
    """The card of the agent whose address for clients is `base_url`."""
    scope = f"{settings.agent_audience}|{settings.agent_scope}"
    discovery = f"{settings.idaas.issuer.rstrip('/')}/.well-known/openid-configuration"
    declared = [service.name for service in declared_services(settings)]
    url = base_url.rstrip("/") + RPC_PATH
    images = IMAGE_TYPES if settings.llm_images else ()
    return {
        "name": "idaas-agent",
        "description": "An agent that never acts without a known identity.",
        "version": VERSION,
        "supportedInterfaces": [
            {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version}
            for version in (PROTOCOL_VERSION, OLDER_VERSION)
        ],
        "capabilities": {"streaming": True, "pushNotifications": False, "extendedAgentCard": False},
        "securitySchemes": {
            SCHEME: {
                "openIdConnectSecurityScheme": {
                    "description": "An access token of IDaaS for this agent, as a bearer token.",
                    "openIdConnectUrl": discovery,
                },
                "type": "openIdConnect",
                "openIdConnectUrl": discovery,
            }
        },
        "securityRequirements": [{"schemes": {SCHEME: {"list": [scope]}}}],
        "defaultInputModes": [TEXT, JSON, *images],
        "defaultOutputModes": [TEXT, JSON],
        "skills": [
            _CONVERSATION,
            *({"id": name, **skill} for name, skill in _SKILLS.items() if name in declared),
        ],
        "url": url,
        "preferredTransport": "JSONRPC",
        "protocolVersion": f"{OLDER_VERSION}.0",
        "security": [{SCHEME: [scope]}],
    }
