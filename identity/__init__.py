"""Who is calling, and which credentials they may use.

Imports nothing else of the project; third parties are `jwt`, `cryptography` and `httpx`.
Begin at `access_token.verifier` for a caller's token, and at `credentials.broker` for downstream credentials.
"""
