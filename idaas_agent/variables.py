"""What variables of your own import: an installed package declares them (`docs/plugins.md`).

Without the extra `server`, importing it raises an `ImportError` that says so.
"""

from idaas_agent.extras import named_extra

with named_extra("variables of your own"):
    from agent.settings.plugin_variables import PluginVariables as PluginVariables

__all__ = ["PluginVariables"]
