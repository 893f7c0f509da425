"""How an HTTP request carries a credential, and what follows when a service refuses it.

May import `identity.secrets`, the modules at the top of `identity`, and of `identity.credentials` the values.
Begin at `placement`, which puts a secret into a request, and at `credential_auth`, which renews a refused
credential once; `signed_request` signs with a cloud role's credentials.
"""
