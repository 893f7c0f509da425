"""The state of the whole sandbox: what its services share. No I/O, no sockets."""

import datetime as dt
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.addresses import Addresses
from sandbox.configuration.configuration import Configuration
from sandbox.faults.faults import Faults
from sandbox.federation.federation import Federation
from sandbox.federation.keys import FederationKeys, new_federation_keys
from sandbox.generated_secrets import (
    GeneratedSecrets,
    new_api_key,
    new_client_secret,
    new_password,
    new_secrets,
)
from sandbox.ram import CloudRoles, ExecutionRole
from sandbox.state.access_tokens import AccessTokens
from sandbox.state.directory import AGENT, AGENT_AUDIENCE, PAGE, Directory, ResourceServer, sandbox_directory
from sandbox.state.jwt_providers import JwtProviders
from sandbox.state.oauth_providers import OAuthProviders
from sandbox.state.records import Counters, Events
from sandbox.state.settings import Settings
from sandbox.state.signing_keys import Jwks, SigningKeys, own_key, with_kid
from sandbox.state.vault import AMAP_API_KEY, LLM_API_KEY, Vault


class Cloud:
    """Everything that the services of the sandbox know. `reset()` brings back the state of the start.

    `clock` answers unix seconds and is the only time that the sandbox reads. `function_compute_jwks` is the
    copy of the JWKS that was pasted into the Function Compute trigger: a key rotation does not change it.
    """

    settings: Settings
    directory: Directory
    vault: Vault
    function_compute_jwks: Jwks

    def __init__(
        self,
        addresses: Addresses | None = None,
        secrets: GeneratedSecrets | None = None,
        clock: Callable[[], float] = time.time,
        configuration: Configuration | None = None,
        federation_keys: FederationKeys | None = None,
    ) -> None:
        self.addresses = addresses or Addresses()
        self.clock = clock
        self.user_events_url = "http://localhost:9002/events/idaas"
        """Where user events are sent: the agent."""
        self.user_events_key: str | None = None
        """The AES-256 key of user events, 64 hexadecimal digits; `None` sends them in clear."""
        self.counters = Counters()
        self.faults = Faults()
        self.events = Events(clock)
        self.secrets = secrets or new_secrets()
        self.settings = Settings()
        self.keys = SigningKeys(with_kid(own_key(self.secrets.signing_key)))
        self.access_tokens = AccessTokens(self.addresses.issuer, self.keys, self.settings, clock)
        self.jwt_providers = JwtProviders(self.addresses.idaas, self.keys, clock)
        now = dt.datetime.fromtimestamp(clock(), dt.UTC)
        self.federation = Federation(
            federation_keys or new_federation_keys(now), self.addresses.workload_issuer, self.settings, clock
        )
        self.execution_role = ExecutionRole(AGENT, clock)
        self.cloud_roles = CloudRoles(AGENT, clock)
        self.oauth_providers = OAuthProviders(clock)
        self._agent_public_key = own_key(self.secrets.agent_private_key).as_pem(private=False).decode()
        self.stops: list[Callable[[], Awaitable[None]]] = []
        """What services with tasks of their own do when the sandbox stops."""
        self._resets: list[Callable[[], None]] = []
        self._restarts: dict[str, Callable[[], None]] = {}
        self.reload: Callable[[], Path] = _without("a configuration file")
        """Takes up what was added to the configuration file. Raises ConfigurationFaultsError, LookupError."""
        self.write_workload_tokens: Callable[..., None] = _without("files")
        """Replaces the workload's tokens; its keywords override claims and lifetime. Raises LookupError."""
        self.configuration = configuration or Configuration()
        self.reset()

    def reset(self) -> None:
        """Users, grants, credentials, keys, settings, faults, counters and events as at the start."""
        defaults = Settings()
        for name in Settings.__slots__:
            setattr(self.settings, name, getattr(defaults, name))
        self.keys.reset()
        self.execution_role.reset()
        self.access_tokens.reset()
        self.jwt_providers.reset()
        self.cloud_roles.reset()
        self.oauth_providers.reset()
        self.directory = sandbox_directory(
            alice_password=self.secrets.alice_password,
            bob_password=self.secrets.bob_password,
            agent_secret=self.secrets.agent_client_secret,
            agent_public_key=self._agent_public_key,
            redirect_uris=self.addresses.page_redirect_uris,
        )
        self.vault = Vault(self.secrets.llm_api_key, self.secrets.amap_api_key, now=self.clock())
        self.configure(self.configuration)
        self.function_compute_jwks = self.keys.jwks()
        self.faults.clear()
        for reset in self._resets:
            reset()
        self.counters.reset()
        self.events.reset()

    def configure(self, configuration: Configuration) -> None:
        """Adds users, applications, grants, credentials and redirect URIs; services are those of
        `configuration`.

        What was added before and is not in it any more stays until `reset`.
        """
        self.configuration = configuration
        directory = self.directory
        for user in configuration.users:
            directory.users[user.name] = replace(user, password=user.password or new_password())
            for identifier in (LLM_API_KEY, AMAP_API_KEY):
                self.vault.add(identifier, "", {user.subject}, now=self.clock())
            for released in (*self.jwt_providers, *self.cloud_roles, *self.oauth_providers):
                released.readers.add(user.subject)
        for name, claims in configuration.claims.items():
            directory.users[name] = replace(directory.users[name], claims=claims)
        for client in configuration.clients:
            secret = client.secret or new_client_secret()
            directory.applications[client.client_id] = replace(client, secret=secret)
        if configuration.agent_permissions:
            defined = directory.resource_servers[AGENT_AUDIENCE].permissions
            permissions = tuple(dict.fromkeys((*defined, *configuration.agent_permissions)))
            directory.resource_servers[AGENT_AUDIENCE] = ResourceServer(AGENT_AUDIENCE, permissions)
        for service in configuration.services:
            if service.audience and service.jwt_provider is None:
                server = ResourceServer(service.audience, service.permissions)
                directory.resource_servers[service.audience] = server
        directory.machine.update(configuration.machine)
        directory.delegated.update(configuration.delegated)
        directory.people.update(configuration.people)
        directory.add_redirect_uris(PAGE, configuration.redirect_uris)
        if configuration.policy is not None:
            self.execution_role.policy = configuration.policy
        everyone = {AGENT, *(user.subject for user in directory.users.values())}
        for credential in configuration.credentials:
            readers = everyone if credential.readers is None else set(credential.readers)
            key = credential.value or new_api_key()
            self.vault.add(credential.identifier, key, readers, now=self.clock())

    def on_reset(self, reset: Callable[[], None]) -> None:
        """A service with state of its own asks to be called at each `reset`."""
        self._resets.append(reset)

    def on_restart(self, service: str, restart: Callable[[], None]) -> None:
        """A service with sessions says how it forgets them; `restart` may be called from any thread."""
        self._restarts[service] = restart

    def restart(self, service: str) -> None:
        """`service` forgets its sessions, as if it had been restarted. Raises KeyError if it has none."""
        self._restarts[service]()

    def jwks(self) -> Jwks:
        """The JWKS that IDaaS publishes now."""
        return self.keys.jwks()

    def paste_jwks(self) -> Jwks:
        """After a key rotation an operator copies the JWKS into the Function Compute trigger."""
        self.function_compute_jwks = self.jwks()
        return self.function_compute_jwks

    def presents_api_key(self, service: str, authorization: str, identifier: str) -> bool:
        """Whether the header `Authorization` has the current key of `identifier`.

        Counts `<service>:refused_credential`, and `…:revoked_credential` for a key that used to be good.
        """
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.vault.accepts(key, identifier):
            return True
        self.counters.count(service, "refused_credential")
        if key and self.vault.was_valid(key, identifier):
            self.counters.count(service, "revoked_credential")
        return False

    def user_token(
        self,
        user: str = "alice",
        *,
        audience: str = AGENT_AUDIENCE,
        permissions: tuple[str, ...] = ("agent.access",),
        lifetime: int | None = None,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
    ) -> str:
        """An access token of a user, as if they had signed in on the page. No grant is checked.

        `header` and `claims` override members of the token; None takes one out. Raises KeyError for an
        unknown user.
        """
        person = self.directory.users[user]
        return self.access_tokens.mint(
            client_id=PAGE,
            subject=person.subject,
            audience=audience,
            permissions=permissions,
            lifetime=lifetime,
            header=header,
            claims=person.token_claims(self.clock()) | (claims or {}),
        ).token

    def machine_token(
        self,
        audience: str,
        permissions: tuple[str, ...],
        *,
        client_id: str = AGENT,
        lifetime: int | None = None,
    ) -> str:
        """An access token of an application itself, of the agent by default. No grant is checked."""
        return self.access_tokens.mint(
            client_id=client_id,
            subject=client_id,
            audience=audience,
            permissions=permissions,
            lifetime=lifetime,
        ).token


def _without(part: str) -> Callable[..., Any]:
    def refuse(**_: object) -> None:
        text = f"the sandbox runs without {part}"
        raise LookupError(text)

    return refuse
