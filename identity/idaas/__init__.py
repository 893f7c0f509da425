"""The protocols of Alibaba Cloud IDaaS: its SDK configuration file, token endpoint and Developer API.

May import `identity.credentials`, `identity.transport` and the modules at the top of `identity`.
Begin at `issuer`, which the broker calls; `client` sends the requests, and `configuration` reads the file
that the IDaaS console generates.
"""
