"""Scopes in IDaaS's form, `audience|permission`, and which of them are granted."""

from dataclasses import dataclass

from sandbox.oauth_error import OAuthError
from sandbox.state.directory import Application, Directory, User

ALL = ".all"
OPENID_SCOPES = frozenset({"openid", "profile", "email", "phone"})


@dataclass(frozen=True, slots=True)
class RequestedScope:
    """What was asked for. `permissions` may contain `.all`; `openid` asks for an ID token."""

    audience: str | None
    permissions: tuple[str, ...]
    openid: bool = False

    def target(self) -> str:
        """The audience, which must be there."""
        if self.audience is None:
            raise OAuthError("invalid_scope", 'scope must name "audience|permission"')
        return self.audience


def parse_scope(text: str, *, openid_allowed: bool = False) -> RequestedScope:
    """Reads a `scope` parameter: items separated by a space, all of one audience. Raises OAuthError."""
    audience: str | None = None
    permissions: list[str] = []
    openid = False
    for item in text.split():
        if openid_allowed and item in OPENID_SCOPES:
            openid |= item == "openid"
            continue
        target, bar, permission = item.partition("|")
        if not (target and bar and permission) or "|" in permission:
            raise OAuthError("invalid_scope", 'each scope must have the form "audience|permission"')
        if audience not in (None, target):
            raise OAuthError("invalid_scope", "all scopes must have the same audience")
        audience = target
        permissions.append(permission)
    return RequestedScope(audience, tuple(dict.fromkeys(permissions)), openid)


def machine_permissions(directory: Directory, client: Application, scope: RequestedScope) -> tuple[str, ...]:
    """What `client` gets in its own name. Raises OAuthError `invalid_scope`."""
    audience = scope.target()
    return _choose(directory, scope, directory.granted(directory.machine, client.client_id, audience))


def user_permissions(
    directory: Directory, client: Application, user: User, scope: RequestedScope, *, denied: str
) -> tuple[str, ...]:
    """What `client` gets for `user`: both must hold the permission, so that neither gains by the other.

    Raises OAuthError: `invalid_scope` if the client is not authorized, `denied` if the user is not.
    """
    audience = scope.target()
    client_has = directory.granted(directory.delegated, client.client_id, audience)
    wanted = _choose(directory, scope, client_has)
    user_has = directory.granted(directory.people, user.subject, audience)
    allowed = tuple(permission for permission in wanted if permission in user_has)
    if not allowed or (ALL not in scope.permissions and allowed != wanted):
        raise OAuthError(denied, f'the user holds no such permission of "{audience}"')
    return allowed


def _choose(directory: Directory, scope: RequestedScope, granted: tuple[str, ...]) -> tuple[str, ...]:
    audience = scope.target()
    server = directory.resource_servers.get(audience)
    if server is None:
        raise OAuthError("invalid_scope", f'audience "{audience}" is unknown')
    for permission in scope.permissions:
        if permission != ALL and permission not in server.permissions:
            raise OAuthError("invalid_scope", f'permission "{permission}" of "{audience}" is unknown')
    chosen = granted if ALL in scope.permissions else scope.permissions
    if not chosen or not set(chosen) <= set(granted):
        raise OAuthError("invalid_scope", f'the client is not authorized for this scope of "{audience}"')
    return chosen
