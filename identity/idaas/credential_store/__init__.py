"""The operations of the Developer API that obtain a credential from the store of IDaaS (PAM), one file each.

May import `identity.credentials`, `identity.secrets`, the modules at the top of `identity`, and of
`identity.idaas` the `token_response`.
Begin at `store_operation`, the form of all; `identity.idaas.client` sends them.
"""
