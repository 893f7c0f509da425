"""How the agent authenticates to IDaaS when it requests a token.

May import `identity.transport`, the modules at the top of `identity`, and of `identity.idaas` those that
read the configuration file, the metadata service and the role's credentials.
Begin at `method`, the Protocol of all kinds; `registry` has the kinds by their `authnMethod`, and
each kind is one file.
"""
