"""Removes the cached credentials that depend on a refused one."""

from identity.credentials.credential_cache import CredentialCache
from identity.credentials.issuer import CredentialIssuer
from identity.credentials.requirement import ApiKeyRequirement, CredentialRequirement
from identity.error_codes import IdentityCode
from identity.errors import CredentialError, PrerequisiteRefusedError, RequirementRefusedError


class Dependents:
    """The credentials in `cache` that depend on others: on a prerequisite, or on the agent itself."""

    def __init__(self, issuer: CredentialIssuer, cache: CredentialCache) -> None:
        self._issuer = issuer
        self._cache = cache
        self._prerequisites: set[CredentialRequirement] = set()

    def add_prerequisite(self, prerequisite: CredentialRequirement) -> None:
        """Records that credentials may depend on `prerequisite`."""
        self._prerequisites.add(prerequisite)

    def remove(self, holder: str | None, requirement: CredentialRequirement, error: CredentialError) -> None:
        """Removes the other credentials of `holder` that a refusal affects: those that depend on a refused
        prerequisite, and, if the agent itself is refused, those that have a prerequisite or do not expire.
        """
        if error.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED:
            prerequisites = self._prerequisites
            self._cache.remove_where(
                holder, lambda each: each in prerequisites or self._depends_on(each, prerequisites)
            )
            return
        if requirement in self._prerequisites:
            ended = {requirement}
        elif isinstance(error, PrerequisiteRefusedError) or not isinstance(error, RequirementRefusedError):
            ended = {each for each in (self._issuer.prerequisite(requirement),) if each is not None}
        else:
            return
        if ended:
            self._cache.remove_where(holder, lambda each: each in ended or self._depends_on(each, ended))

    def _depends_on(
        self, requirement: CredentialRequirement, prerequisites: set[CredentialRequirement]
    ) -> bool:
        prerequisite = self._issuer.prerequisite(requirement)
        if prerequisite is None:  # keys without a prerequisite depend on the agent alone
            return isinstance(requirement, ApiKeyRequirement) and prerequisites is self._prerequisites
        return prerequisite in prerequisites
