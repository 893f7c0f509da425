"""Obtains, caches, renews and forgets downstream credentials. Knows no vendor.

May import `identity.audit`, `identity.access_token` and the modules at the top of `identity`.
Begin at `broker`; `issuer` is the seam to an identity provider;
`credential` has the types that services declare and nodes hold.
"""
