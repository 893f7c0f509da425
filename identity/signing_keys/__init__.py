"""Provides the public keys with which access tokens are verified (RFC 7517).

May import `identity.transport` and the modules at the top of `identity`.
Begin at `key_source`, the Protocol, and `jwks`, which implements it with IDaaS's JWKS endpoint.
"""
