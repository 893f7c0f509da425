"""The MCP server has no variables of its own: where users decide is one of the agent's, `AGENT_PAGE_URL`."""

from agent.settings.plugin_variables import PluginVariables


class McpServerVariables(PluginVariables):
    """Nothing."""

    heading = "MCP server"
