"""Names for variables of your own: an installed package declares them (`docs/plugins.md`)."""

from agent.settings.plugin_variables import PluginVariables as PluginVariables

__all__ = ["PluginVariables"]
