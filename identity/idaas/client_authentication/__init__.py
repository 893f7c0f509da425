"""How the agent authenticates to IDaaS when it requests a token.

May import `identity.transport`, the modules at the top of `identity`, and of `identity.idaas` the members of
the configuration file and `token_response`.
Begin at `method`, what every kind sends, and `declaration`, what every kind is read from. `own_credential`
has the kinds with a secret or a key, each other kind is a file; `identity.idaas.configuration` lists them.
"""
