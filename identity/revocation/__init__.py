"""Decides which access tokens are refused although their signature and lifetime are valid.

May import only the modules at the top of `identity`.
Begin at `revocation_list`, which the verifier consults; `revocation` is one entry of it.
"""
