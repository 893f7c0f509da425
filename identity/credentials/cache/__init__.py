"""Which credentials are kept, until when they are used, and what removes them before that.

May import `identity.access_token`, the modules at the top of `identity`, and of `identity.credentials` the
values and the Protocol `issuer`.
Begin at `credential_cache`; `freshness` has the times, `refusal_cache` keeps what the issuer refused.
"""
