"""The verification of a caller's access token, on record."""

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.access_token.verifier import AccessTokenVerifier
from identity.audit.trail import Step
from identity.secrets.secret import Secret


async def verified_on_record(verifier: AccessTokenVerifier, token: Secret, step: Step) -> VerifiedAccessToken:
    """The caller whose access token it is. `step` knows them, and its caller ends it: an admission may be
    recorded less often than it happens.

    Raises the verifier's errors, each of which is on record before, and `AuditError`.
    """
    try:
        caller = await verifier.verify(token)
    except BaseException as error:
        await step.ended_by(error)
        raise
    step.found(principal=caller.principal)
    return caller
