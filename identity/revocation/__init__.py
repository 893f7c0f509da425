"""Which access tokens are no longer accepted although their signature and lifetime are good.

May import nothing of this project but `identity.strict_json`.
Begin at `revocation_list`, which the verifier consults; `revocation` is one entry of it.
"""
