"""Issuers that vouch for the agent, so that it needs no client secret: IDaaS trusts them (federation).

    instance_document   ECS: a signed document about the machine      PKCS7
    id_token            a cluster: a token of the workload            OIDC
    keys                a private authority: the agent's certificate  PCA

Imports nothing of the services. Begin at `federation`, which joins the three.
"""
