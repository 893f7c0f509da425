"""Creates the steps of an agent: the caller, the action and the credential of each."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from functools import lru_cache

from identity.access_token.revocation import Revocation, Target
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, Ruled
from identity.audit.step import AuditSink, NullAuditSink, Step
from identity.credentials.requirement import CredentialRequirement
from identity.observation.request_context import REQUEST_ID
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret


class AuditTrail:
    """Creates the steps of one agent.

    A token is recorded as a keyed hash: HMAC-SHA-256 of its SHA-256, truncated to 128 bits. It relates the
    events of one token, in all processes that have the key, and cannot be computed without it.
    """

    def __init__(
        self,
        sink: AuditSink | None = None,
        *,
        client: str | None = None,
        key: bytes | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`client` is the agent's own client id in IDaaS.

        `key` is that of tokens' hashes. Without it a random key is used, which never leaves the process.
        """
        self._sink = sink or NullAuditSink()
        self._client = client
        self._clock = clock
        self._key = secrets.token_bytes(32) if key is None else key
        self._hash = lru_cache(1024)(self._keyed_hash)

    def authentication(self, presented: Secret | None, audience: str, scope: str) -> Step:
        """The authentication of a request. `presented` is its token, if it has one.

        `audience` and `scope` are the required ones.
        """
        token_hash = None
        if presented is not None:
            digest = hashlib.sha256(presented.reveal().encode(errors="surrogatepass"))
            token_hash = self._hash(digest.hexdigest())
        return self._step(AuditedAction.AUTHENTICATION, audience=audience, scope=scope, token_hash=token_hash)

    def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
    ) -> Step:
        """The request for a credential. Under Machine identity the event names no caller."""
        action = requirement.issue_action(access_identity)
        user = caller if access_identity is AccessIdentity.HUMAN else None
        return self._credential_step(action, requirement, access_identity, user, client=self._client)

    def revocation(self, revocation: Revocation, issuer: str) -> Step:
        """A decision about access tokens: of a user of `issuer`, of one token by its hash, or of all."""
        of_user = revocation.target is Target.USER
        return self._step(
            AuditedAction.ACCESS_RESTORED if revocation.until is None else AuditedAction.ACCESS_REVOKED,
            principal=Principal(issuer, revocation.name) if of_user else None,
            token_hash=self._hash(revocation.name) if revocation.target is Target.TOKEN else None,
            client=revocation.origin.value,
        )

    def model_call(
        self,
        model: str | None,
        requirement: CredentialRequirement | None,
        access_identity: AccessIdentity | None,
        caller: VerifiedAccessToken,
    ) -> Step:
        """The request for a response of `model` for `caller`, with the key that it requires."""
        return self._credential_step(
            AuditedAction.MODEL_CALL, requirement, access_identity, caller, model=model
        )

    def tool_call(
        self,
        service: str | None,
        tool: str,
        call_id: str,
        requirement: CredentialRequirement | None,
        access_identity: AccessIdentity | None,
        caller: VerifiedAccessToken,
        *,
        arguments_digest: str | None = None,
        approval: str | None = None,
        effect: str | None = None,
        ruled: Ruled | None = None,
        read: tuple[str, ...] | None = None,
    ) -> Step:
        """The call of a tool of `service` for `caller`, with the credential that the service requires.

        `service` is `None` if no service has the tool. `approval` is the id of the approval of the call.
        `ruled` is the decision of the policy, `read` what the conversation had read.
        """
        return self._credential_step(
            AuditedAction.TOOL_CALL,
            requirement,
            access_identity,
            caller,
            service=service,
            tool=tool,
            call_id=call_id,
            arguments_digest=arguments_digest,
            approval=approval,
            effect=effect,
            ruled=ruled,
            read=read,
        )

    def approval(
        self,
        action: AuditedAction,
        principal: Principal,
        caller: VerifiedAccessToken | None,
        *,
        approval: str,
        access_identity: AccessIdentity | None,
        **members: object,
    ) -> Step:
        """The question to `principal` whether a call may be made, or their decision. `members`: the call's.

        `caller` is `None` if their access token has expired.
        """
        return self._step(
            action,
            approval=approval,
            principal=principal,
            token_hash=None if caller is None else self._hash(caller.fingerprint),
            access_identity=access_identity,
            **members,
        )

    def _credential_step(
        self,
        action: AuditedAction,
        requirement: CredentialRequirement | None,
        access_identity: AccessIdentity | None,
        caller: VerifiedAccessToken | None,
        **members: object,
    ) -> Step:
        if requirement is not None:
            declared = requirement.declared
            members["audience"] = declared.get("audience")
            members["scope"] = declared.get("scope")
            members["credential"] = declared.get("credential")
        if caller is not None:
            members["token_hash"] = self._hash(caller.fingerprint)
        return self._step(
            action,
            access_identity=access_identity,
            principal=None if caller is None else caller.principal,
            **members,
        )

    def _step(self, action: AuditedAction, **members: object) -> Step:
        members["action"] = action
        members["request_id"] = REQUEST_ID.get()
        return Step(self._sink, self._clock, members)

    def _keyed_hash(self, fingerprint: str) -> str:
        return hmac.digest(self._key, fingerprint.encode(), "sha256").hex()[:32]
