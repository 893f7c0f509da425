"""Verifies a caller's access token (RFC 9068): form, signature, issuer, audience, lifetime, scope.

May import `identity.signing_keys` and the modules at the top of `identity`.
Begin at `verifier`; `verified_access_token` is what it returns.
"""
