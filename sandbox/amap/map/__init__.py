"""The map behind the 15 tools: cities, places, routes, the weather.

Computed from a few tables, the same for every caller. Of MCP, `catalogue` alone imports the type of a tool.
Begin at `map_service`, which runs a tool; `catalogue` lists them.
"""
