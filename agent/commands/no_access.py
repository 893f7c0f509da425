"""The access of a command that calls no service."""

from typing import Final, NoReturn


class NoAccess:
    """To a service that is not called (`tools.service.Access`)."""

    caller = None

    def cached(self) -> None:
        """No credential is known."""

    async def _none(self, *_: object, **__: object) -> NoReturn:
        raise LookupError("the command calls nothing")

    credential = renew = lent = _none

    def stepped_up(self, _: object) -> "NoAccess":
        """No access, too."""
        return self


NO_ACCESS: Final = NoAccess()
