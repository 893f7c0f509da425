"""How the agent authenticates to IDaaS when it requests a token.

May import `identity.transport`, the modules at the top of `identity`, and of `identity.idaas` the members of
the configuration file and `token_response`.
Begin at `method`, what every kind sends, and `declaration`, what every kind is read from; each kind is one
file, which `identity.idaas.configuration` lists by its `authnMethod`.
"""
