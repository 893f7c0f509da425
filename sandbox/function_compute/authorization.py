"""What a function checks for itself, because its trigger cannot: audience, permission, a person."""

from dataclasses import dataclass

from sandbox.function_compute.caller import Caller


class RefusedError(Exception):
    """The function does not do it: an HTTP status, a code for programs, and what was expected and found."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Requirement:
    """The audience and one of the permissions that a token must have; `person`: not an agent's own."""

    audience: str
    permissions: tuple[str, ...]
    person: bool = False

    def check(self, caller: Caller) -> None:
        """Raises `RefusedError` with status 403."""
        if self.audience not in caller.audiences:
            found = ", ".join(caller.audiences)
            text = f'claim "aud" must contain "{self.audience}", found "{found}"'
            raise RefusedError(403, "invalid_audience", text)
        if not set(self.permissions) & set(caller.permissions):
            expected, found = '" or "'.join(self.permissions), " ".join(caller.permissions)
            text = f'claim "scope" must contain "{expected}", found "{found}"'
            raise RefusedError(403, "insufficient_scope", text)
        if self.person and caller.access_identity != "Human":
            text = f'a person must call, found the agent "{caller.subject}"'
            raise RefusedError(403, "person_required", text)
