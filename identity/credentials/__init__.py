"""Obtains, caches, renews and invalidates downstream credentials, independently of the identity provider.

May import `identity.audit`, `identity.access_token` and the modules at the top of `identity`.
Begin at `requirement`, which a service declares, and at `broker`, which obtains the credential through the
Protocol `issuer`; `placement` and `signed_request` are how an HTTP request carries it.
"""
