"""The protocols of Alibaba Cloud IDaaS: its SDK configuration file, token endpoint and Developer API.

May import the other folders of `identity` and the modules at its top.
Begin at `issuer`, which the broker calls; `client` sends the requests, and `configuration` reads the file
that the IDaaS console generates.
"""
