"""Is this access token good (RFC 9068), is it still, and who is its user in another process?

May import `identity.signing_keys` and the modules at the top of `identity`.
Begin at `verifier`, which returns a `VerifiedAccessToken`; `revocation_list` ends tokens early, and
`sealed_caller` carries a caller to the process that runs for them.
"""
