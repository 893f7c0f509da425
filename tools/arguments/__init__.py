"""Whether the arguments of a tool call are valid: of a size, and of the schema of the tool.

May import `identity`.
Begin at `validator`; `fault` is what it finds and bounds arguments, `schema_budget` bounds schemas.
"""
