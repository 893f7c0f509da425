"""What a span shows of a credential: whose rights it carries and what for, never the credential."""

from identity.access_identity import AccessIdentity
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    CredentialRequirement,
    IssuedJwtRequirement,
    OAuthTokenRequirement,
)
from identity.tracing.attribute import Attribute
from identity.tracing.span import Span


def show_requirement(
    span: Span, requirement: CredentialRequirement | None, access_identity: AccessIdentity | None
) -> None:
    """Sets the attributes of `requirement`, as the audit log names them."""
    if not span.recording:
        return
    span.set(Attribute.ACCESS_IDENTITY, access_identity and access_identity.value)
    match requirement:
        case AccessTokenRequirement():
            span.set(Attribute.AUDIENCE, requirement.audience)
            span.set(Attribute.SCOPE, requirement.permission)
        case ApiKeyRequirement(identifier):
            span.set(Attribute.CREDENTIAL, identifier)
        case IssuedJwtRequirement(provider, audience):
            span.set(Attribute.CREDENTIAL, provider)
            span.set(Attribute.AUDIENCE, audience)
        case CloudRoleRequirement(role):
            span.set(Attribute.CREDENTIAL, role)
        case OAuthTokenRequirement(provider, scopes):
            span.set(Attribute.CREDENTIAL, provider)
            span.set(Attribute.SCOPE, " ".join(scopes) or None)
