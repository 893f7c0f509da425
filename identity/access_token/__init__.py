"""Verifies a caller's access token (RFC 9068): format, signature, issuer, audience, lifetime and scope.

May import `identity.signing_keys` and the modules at the top of `identity`.
Begin at `verifier`; it returns a `VerifiedAccessToken`.
"""
