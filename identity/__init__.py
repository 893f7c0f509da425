"""Who is calling, and which credentials they may use.

May import nothing else of the project. Its folders import in the order of `tool.importlinter`
(pyproject.toml); the modules at its top import `secrets` only; every folder may import those and `secrets`.
Begin at `access_token.verifier` for a caller's token, and at `credentials.broker` for downstream credentials.
"""
