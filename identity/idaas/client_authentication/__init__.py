"""How the agent authenticates to IDaaS when it requests a token: one file for each `authnMethod`.

May import `identity.transport`, the modules at the top of `identity`, and of `identity.idaas` those that
read the configuration file and keys.
Begin at `method`, the Protocol of all kinds; `registry` has the kinds by name. A new kind is a file here and
its row in `registry`.
"""
