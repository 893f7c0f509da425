"""Who exists at IDaaS and who may do what: users, applications, resource servers, grants (Agent ID Guard)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from sandbox.federation.id_token import SUBJECT
from sandbox.federation.keys import AGENT_CERTIFICATE_NAME

AGENT = "app_agent01"
PAGE = "app_client01"
AGENT_AUDIENCE = "https://agent.sandbox.example"
ENTERPRISE_AUDIENCE = "https://enterprise.sandbox.example"
LEAVE_AUDIENCE = "https://leave.sandbox.example"
PAM_AUDIENCE = "urn:cloud:idaas:pam"

Claims: TypeAlias = Mapping[str, str | float | bool | list[str]]
"""Claims of a user's tokens. `auth_time` is true: it stands for the time of the sign-in."""

GrantType = Literal["client_credentials", "token_exchange", "authorization_code", "refresh_token", "implicit"]


@dataclass(frozen=True, slots=True)
class User:
    """An account. `subject` is the `sub` of this user's tokens."""

    name: str
    subject: str
    display_name: str
    password: str = field(repr=False)
    claims: Claims = field(default_factory=dict)
    """What their access tokens say about them, as an administrator has configured it."""

    def token_claims(self, signed_in_at: float | None = None) -> dict[str, object]:
        """The claims of a token, of a sign-in at that time (unix seconds) if it is known."""
        claims: dict[str, object] = dict(self.claims)
        if claims.pop("auth_time", False) and signed_in_at is not None:
            claims["auth_time"] = int(signed_in_at)
        return claims


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """An application federated credential: whom of those that an issuer vouches for is the application.

    `identities` are instance ids (pkcs7), subjects of tokens (oidc) or common names of certificates (pca).
    """

    name: str
    kind: Literal["pkcs7", "oidc", "pca"]
    identities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Application:
    """A Client node (people sign in through it) or an Agent node (callee and caller at once).

    Without secret, public key and federated credential it is a public client. URIs are compared as exact
    strings.
    """

    client_id: str
    name: str
    grant_types: frozenset[GrantType]
    audience: str | None = None
    secret: str | None = field(default=None, repr=False)
    public_key: str | None = None
    federated_credentials: tuple[FederatedCredential, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()

    @property
    def public(self) -> bool:
        return self.secret is None and self.public_key is None and not self.federated_credentials

    def federated_credential(self, name: str) -> FederatedCredential | None:
        return next((found for found in self.federated_credentials if found.name == name), None)


@dataclass(frozen=True, slots=True)
class ResourceServer:
    """An audience and the permissions that it defines."""

    audience: str
    permissions: tuple[str, ...]


Grant: TypeAlias = tuple[str, str, str]
"""Holder (client id or user subject), audience, permission."""


@dataclass(slots=True)
class Directory:
    """Three kinds of grants, each a set of (holder, audience, permission):

    - `machine`: a client may act on the audience in its own name (permission of type *client*);
    - `delegated`: a client may obtain tokens for users there (inbound authorization for a Client node,
      outbound authorization for an Agent node);
    - `people`: a user may act there (permission of type *user*). A user gains nothing through an agent.
    """

    users: dict[str, User]
    applications: dict[str, Application]
    resource_servers: dict[str, ResourceServer]
    machine: set[Grant]
    delegated: set[Grant]
    people: set[Grant]
    disabled: set[str] = field(default_factory=set)
    """Client ids and user subjects that are switched off."""

    def user_by_subject(self, subject: str) -> User | None:
        return next((user for user in self.users.values() if user.subject == subject), None)

    def granted(self, grants: set[Grant], holder: str, audience: str) -> tuple[str, ...]:
        """The permissions of `audience` that `holder` has, in the resource server's order."""
        server = self.resource_servers.get(audience)
        if server is None:
            return ()
        return tuple(p for p in server.permissions if (holder, audience, p) in grants)

    def add_redirect_uris(self, client_id: str, uris: tuple[str, ...]) -> None:
        """The client may send people back to these too, after sign-in and after logout."""
        client = self.applications[client_id]
        self.applications[client_id] = replace(
            client,
            redirect_uris=tuple(dict.fromkeys((*client.redirect_uris, *uris))),
            post_logout_redirect_uris=tuple(dict.fromkeys((*client.post_logout_redirect_uris, *uris))),
        )

    def revoke(self, holder: str, audience: str, permission: str) -> bool:
        """Withdraws every kind of this grant; whether there was one."""
        grant = (holder, audience, permission)
        found = False
        for grants in (self.machine, self.delegated, self.people):
            found |= grant in grants
            grants.discard(grant)
        return found


LEAVE_PERMISSIONS = ("leave.read", "leave.write")
"""The second includes the first."""
PAM_PERMISSIONS = (
    "credential:obtain",
    "authentication_token:obtain",
    "authentication_token:manage",
    "authentication_token:read",
    "cloud_account_role:obtain_access_credential",
    "cloud_account:obtain_access_credential",
)


def sandbox_directory(
    *,
    alice_password: str,
    bob_password: str,
    agent_secret: str,
    agent_public_key: str,
    redirect_uris: tuple[str, ...],
) -> Directory:
    """The directory at the start: alice may do everything, bob everything but the leave service."""
    alice = User("alice", "user_alice01", "Alice", alice_password)
    bob = User("bob", "user_bob01", "Bob", bob_password)
    page = Application(
        PAGE,
        "Agent page",
        frozenset({"implicit", "authorization_code", "refresh_token"}),
        redirect_uris=redirect_uris,
        post_logout_redirect_uris=redirect_uris,
    )
    agent = Application(
        AGENT,
        "Agent",
        frozenset({"client_credentials", "token_exchange"}),
        audience=AGENT_AUDIENCE,
        secret=agent_secret,
        public_key=agent_public_key,
        federated_credentials=(
            FederatedCredential("sandbox-ecs", "pkcs7", frozenset({"i-sandbox01"})),
            FederatedCredential("sandbox-kubernetes", "oidc", frozenset({SUBJECT})),
            FederatedCredential("sandbox-private-ca", "pca", frozenset({AGENT_CERTIFICATE_NAME})),
        ),
    )
    pam = [(PAM_AUDIENCE, permission) for permission in PAM_PERMISSIONS]
    enterprise = (ENTERPRISE_AUDIENCE, "service.invoke")
    leave = [(LEAVE_AUDIENCE, permission) for permission in LEAVE_PERMISSIONS]
    entry = (AGENT_AUDIENCE, "agent.access")
    servers = [
        ResourceServer(AGENT_AUDIENCE, ("agent.access",)),
        ResourceServer(ENTERPRISE_AUDIENCE, ("service.invoke",)),
        ResourceServer(LEAVE_AUDIENCE, LEAVE_PERMISSIONS),
        ResourceServer(PAM_AUDIENCE, PAM_PERMISSIONS),
    ]
    everyone = [entry, *pam, enterprise]
    return Directory(
        {user.name: user for user in (alice, bob)},
        {application.client_id: application for application in (page, agent)},
        {server.audience: server for server in servers},
        machine={(AGENT, *grant) for grant in [*pam, enterprise]},
        delegated={(PAGE, *entry), *((AGENT, *grant) for grant in [*pam, enterprise, *leave])},
        people={
            *((alice.subject, *grant) for grant in [*everyone, *leave]),
            *((bob.subject, *grant) for grant in everyone),
        },
    )
