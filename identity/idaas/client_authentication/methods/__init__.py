"""The kinds of client authentication, one file for each `authnMethod`, which names it.

May import `identity.transport`, `identity.credentials.http_auth`, the modules at the top of `identity`, and
of `identity.idaas` the rest of client authentication, the metadata service, token files and role credentials.
Begin at `client_secret_post`, the simplest; a new kind is a file here and its row in `registry`.
"""
