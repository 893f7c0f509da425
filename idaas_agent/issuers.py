"""Names for an issuer of your own: a vault or another STS, whose credentials the agent obtains, keeps and
renews as it does IDaaS's (`docs/credentials.md`).
"""

from identity.credentials.added_issuers import Issuer as Issuer
from identity.credentials.added_issuers import IssueRequest as IssueRequest
from identity.credentials.added_issuers import refused as refused
from identity.credentials.added_issuers import unreachable as unreachable
from identity.credentials.issuer import IssuedCredential as IssuedCredential

__all__ = ["IssueRequest", "IssuedCredential", "Issuer", "refused", "unreachable"]
