"""The services whose tools the agent has. A tool of your own: write a file in `tools/`, add its line here."""

import ssl
from collections.abc import Sequence

from agent.settings.variables import Settings
from tools.amap import amap
from tools.enterprise import enterprise
from tools.leave import leave
from tools.service import Service


def services(settings: Settings, tls: ssl.SSLContext) -> Sequence[Service]:
    """In the order in which the model sees them. `tls` is what they trust."""
    s = settings
    listed: list[Service] = [
        amap(s.external_server_url, s.external_server_api_key_identifier, ssl_context=tls),
        enterprise(s.enterprise_service_url, s.enterprise_service_scope, ssl_context=tls),
    ]
    if s.leave_service_url and s.leave_service_scope:
        listed.append(leave(s.leave_service_url, s.leave_service_scope, ssl_context=tls))
    return listed
