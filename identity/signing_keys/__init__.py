"""Provides the public keys with which access tokens are verified (RFC 7517).

May import `identity.transport` and the modules at the top of `identity`.
Begin at `signing_key`, which lists the algorithms, and `jwks`, which fetches the keys of IDaaS.
"""
