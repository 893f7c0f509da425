"""What a span shows of a credential: whose rights it carries and what for, never the credential."""

from identity.credentials.requirement import CredentialRequirement
from identity.observation.attribute import Attribute
from identity.observation.span import Span
from identity.principal import AccessIdentity


def show_requirement(
    span: Span, requirement: CredentialRequirement | None, access_identity: AccessIdentity | None
) -> None:
    """Sets the attributes of `requirement`, as the audit log names them."""
    if not span.recording:
        return
    span.set(Attribute.ACCESS_IDENTITY, access_identity and access_identity.value)
    if requirement is not None:
        declared = requirement.declared
        span.set(Attribute.AUDIENCE, declared.get("audience"))
        span.set(Attribute.SCOPE, declared.get("scope"))
        span.set(Attribute.CREDENTIAL, declared.get("credential"))
