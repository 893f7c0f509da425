"""Names for a surface of your own: a way into the agent beside those that it has (`docs/plugins.md`).

Without the extra `server`, importing it raises an `ImportError` that says so.
"""

from idaas_agent.extras import named_extra

with named_extra("a surface of your own"):
    from agent.api.surface import ClientPaths as ClientPaths
    from agent.api.surface import Surface as Surface
    from agent.http.authentication import caller_of as caller_of

__all__ = ["ClientPaths", "Surface", "caller_of"]
