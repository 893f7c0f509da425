"""The keys that access tokens are verified with (RFC 7517).

May import `identity.transport` and the modules at the top of `identity`.
Begin at `jwks`, the key source over IDaaS's JWKS endpoint.
"""
