"""The variable of the MCP server."""

from agent.settings.plugin_variables import PluginVariables
from identity.settings.values import Url


class McpServerVariables(PluginVariables):
    """Where the users of MCP's clients decide."""

    heading = "MCP server"

    agent_page_url: Url | None = None
    """The page's address, at which clients of MCP let their user approve calls. Default: the first of
    `CORS_ALLOWED_ORIGINS`."""
