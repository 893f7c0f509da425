"""The control endpoint: changing the sandbox while it runs, from this machine only. README.md lists it.

Served on the plain port under `/__sandbox__/`. It gives out access tokens, so it answers only to loopback
addresses that call it by a loopback name, and to no web page: neither a foreign site in a browser on this
machine nor a rebound DNS name gets through.
"""

import inspect
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sandbox.configuration.configuration import ConfigurationFaultsError, client_id_of
from sandbox.faults.faults import SERVICES, Fault
from sandbox.idaas.account_synchronization import AccountSynchronization
from sandbox.local_callers import for_this_machine_only
from sandbox.ram import Policy
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT, AGENT_AUDIENCE
from sandbox.state.settings import Settings
from sandbox.state.vault import VaultCredential

_USER_ACTIONS = ("disable", "enable", "lock", "unlock", "delete", "update_password", "test")
Body = dict[str, Any]


class Control:
    """A method for each operation: from the path's parameters and the members of the body to JSON."""

    def __init__(self, cloud: Cloud, synchronization: AccountSynchronization) -> None:
        self._cloud = cloud
        self._synchronization = synchronization

    def routes(self) -> list[Route]:
        """By path: methods, operation, and the members that its body may have."""
        cloud, token = self._cloud, "user client audience permissions lifetime auth_time"
        fault, settings = (" ".join(member.name for member in fields(kind)) for kind in (Fault, Settings))
        return [
            _route("/access-tokens", "POST", self.access_token, token),
            _route("/configuration/reload", "POST", self.reload),
            _route("/counters", "GET", lambda _: cloud.counters.snapshot()),
            _route("/counters", "DELETE", lambda _: cloud.counters.reset()),
            _route("/credentials/{identifier}/disable", "POST", self.disable_credential),
            _route("/credentials/{identifier}/revoke", "POST", self.revoke_credential, "holder"),
            _route("/credentials/{identifier}/rotate", "POST", self.rotate_credential, "api_key"),
            _route("/events", "GET", lambda _: [asdict(event) for event in cloud.events.snapshot()]),
            _route("/execution-role/expire", "POST", lambda _: cloud.execution_role.expire()),
            _route("/execution-role/policy", "GET", self.role_policy),
            _route("/execution-role/policy", "PUT", self.role_policy, "Version Statement"),
            _route("/faults", "GET", self.faults),
            _route("/faults", "DELETE", lambda _: cloud.faults.clear()),
            _route("/faults/{service}", "PUT", self.set_fault, fault),
            _route("/faults/{service}", "DELETE", self.clear_fault),
            _route("/function-compute/jwks", "POST", lambda _: cloud.paste_jwks()),
            _route("/keys/rotate", "POST", self.rotate_keys, "overlap"),
            _route("/oauth-tokens/{consumer}/withdraw", "POST", self.withdraw_tokens),
            _route("/permissions/revoke", "POST", self.revoke_permission, "holder audience permission"),
            _route("/reset", "POST", lambda _: cloud.reset()),
            _route("/restart/{service}", "POST", self.restart),
            _route("/settings", "GET", lambda _: asdict(cloud.settings)),
            _route("/settings", "PATCH", self.change_settings, settings),
            _route("/workload-tokens", "POST", self.workload_tokens, "iss sub aud nbf lifetime"),
            _route("/users/{name}/{action}", "POST", self.change_user),
        ]

    def access_token(self, body: Body) -> object:
        permissions, lifetime = body.get("permissions"), body.get("lifetime")
        if not isinstance(permissions, list | None) or not isinstance(lifetime, int | None):
            raise HTTPException(400, '"permissions" must be a list and "lifetime" a number of seconds')
        named = None if permissions is None else tuple(map(str, permissions))
        audience = str(body.get("audience", AGENT_AUDIENCE))
        if "client" not in body:
            return {"access_token": self._users_token(body, audience, named)}
        if {"user", "auth_time"} & body.keys():
            raise HTTPException(400, '"client" excludes "user" and "auth_time"')
        client_id = self._client_id(str(body["client"]))
        directory = self._cloud.directory
        chosen = named or directory.granted(directory.machine, client_id, audience)
        token = self._cloud.machine_token(audience, chosen, client_id=client_id, lifetime=lifetime)
        return {"access_token": token}

    def _users_token(self, body: Body, audience: str, permissions: tuple[str, ...] | None) -> str:
        named, signed_in = body.get("user", "alice"), body.get("auth_time")
        users = self._cloud.directory.users
        user = next((name for name, person in users.items() if named in (name, person.subject)), None)
        if user is None:
            known = ", ".join(users)
            raise HTTPException(404, f'user "{named}" is unknown; known are {known}')
        if isinstance(signed_in, bool) or not isinstance(signed_in, int | None):
            raise HTTPException(400, '"auth_time" must be a time in unix seconds')
        return self._cloud.user_token(
            user,
            audience=audience,
            permissions=permissions or ("agent.access",),
            lifetime=body.get("lifetime"),
            claims={} if signed_in is None else {"auth_time": signed_in},
        )

    def _client_id(self, name: str) -> str:
        """Of an application that calls as itself, by its name in `sandbox.toml` or by its client id."""
        callers = {client.client_id for client in self._cloud.configuration.clients} | {AGENT}
        for client_id in (name, client_id_of(name)):
            if client_id in callers:
                return client_id
        known = ", ".join(sorted(callers))
        raise HTTPException(404, f'client "{name}" is unknown; known are {known}')

    def reload(self, _: Body) -> object:
        try:
            path = self._cloud.reload()
        except ConfigurationFaultsError as error:
            raise HTTPException(400, str(error)) from error
        services = self._cloud.configuration.services
        urls = {service.name: self._cloud.addresses.echo_url(service.name) for service in services}
        return {"config": str(path.resolve()), "services": urls}

    def role_policy(self, body: Body) -> object:
        role = self._cloud.execution_role
        role.policy = Policy.model_validate(body) if body else role.policy
        return role.policy.model_dump(by_alias=True)

    def workload_tokens(self, body: Body) -> object:
        if not isinstance(body.get("lifetime"), int | None):
            raise HTTPException(400, '"lifetime" must be a number of seconds')
        return self._cloud.write_workload_tokens(**body)

    def faults(self, _: Body) -> object:
        return {name: asdict(fault) for name, fault in self._cloud.faults.snapshot().items()}

    def set_fault(self, body: Body, service: str) -> object:
        fault = TypeAdapter(Fault).validate_python(body)
        _known_service(service)
        try:
            self._cloud.faults.set(service, fault)
        except KeyError as error:
            raise HTTPException(400, f"service {error} is unknown") from error
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return self.faults(body)

    def clear_fault(self, body: Body, service: str) -> object:
        _known_service(service)
        self._cloud.faults.clear(service)
        return self.faults(body)

    def change_settings(self, body: Body) -> object:
        settings = self._cloud.settings
        changed = TypeAdapter(Settings).validate_python(asdict(settings) | body)
        for name, value in asdict(changed).items():
            setattr(settings, name, value)
        return asdict(settings)

    def rotate_keys(self, body: Body) -> object:
        self._cloud.keys.rotate(overlap=body.get("overlap", True) is not False)
        return self._cloud.keys.jwks()

    def rotate_credential(self, body: Body, identifier: str) -> object:
        self._credential(identifier)
        key = body.get("api_key")
        self._cloud.vault.rotate(identifier, now=self._cloud.clock(), api_key=str(key) if key else None)
        return {"identifier": identifier}

    def disable_credential(self, _: Body, identifier: str) -> object:
        self._credential(identifier).enabled = False
        return {"identifier": identifier}

    def revoke_credential(self, body: Body, identifier: str) -> object:
        readers, holder = self._credential(identifier).readers, body.get("holder")
        if holder not in readers:
            raise HTTPException(404, f'"{holder}" is no reader of "{identifier}"')
        readers.discard(holder)
        return {"identifier": identifier, "readers": sorted(readers)}

    def withdraw_tokens(self, _: Body, consumer: str) -> object:
        if not (number := self._cloud.oauth_providers.withdraw(consumer)):
            raise HTTPException(404, f'"{consumer}" has no token of the calendar')
        return {"consumer": consumer, "withdrawn": number}

    def revoke_permission(self, body: Body) -> object:
        grant = {name: str(body.get(name, "")) for name in ("holder", "audience", "permission")}
        if not self._cloud.directory.revoke(**grant):
            text = '"{holder}" has no permission "{permission}" of "{audience}"'
            raise HTTPException(404, text.format_map(grant))
        return grant

    def restart(self, _: Body, service: str) -> object:
        try:
            self._cloud.restart(service)
        except KeyError as error:
            raise HTTPException(404, f"service {error} has no sessions") from error
        return {}

    async def change_user(self, _: Body, name: str, action: str) -> object:
        """Changes a user as an administrator does, and reports it to the agent."""
        user = self._cloud.directory.users.get(name)
        if user is None or action not in _USER_ACTIONS:
            raise HTTPException(404, f"no such user, or action: {', '.join(_USER_ACTIONS)}")
        if action in ("disable", "lock", "delete"):
            self._cloud.directory.disabled.add(user.subject)
        elif action in ("enable", "unlock"):
            self._cloud.directory.disabled.discard(user.subject)
        kind = "common:test" if action == "test" else f"ud:user:{action}"
        reported = await self._synchronization.send(kind, user)
        return {"user": user.name, "action": action, "reported": reported}

    def _credential(self, identifier: str) -> VaultCredential:
        entry = self._cloud.vault.find(identifier)
        if entry is None:
            raise HTTPException(404, f'credential "{identifier}" is unknown')
        return entry


def application(cloud: Cloud, synchronization: AccountSynchronization) -> ASGIApp:
    """Serves `/__sandbox__/`. Errors are `{"error": "…"}`."""
    app = Starlette(
        routes=[Mount("/__sandbox__", routes=Control(cloud, synchronization).routes())],
        exception_handlers={HTTPException: _refused, ValidationError: _invalid},
    )
    return for_this_machine_only(app)


def _known_service(service: str) -> None:
    if service not in SERVICES:
        raise HTTPException(404, f'service must be one of {", ".join(SERVICES)}, found "{service}"')


def _route(path: str, method: str, operation: Callable[..., Any], members: str = "") -> Route:
    """The operation, called with the request's JSON object; no member beyond `members`."""

    async def respond(request: Request) -> Response:
        try:
            body = await request.json() if await request.body() else {}
        except ValueError as error:
            raise HTTPException(400, "the body must be JSON") from error
        if not isinstance(body, dict):
            raise HTTPException(400, "the body must be a JSON object")
        if unknown := body.keys() - set(members.split()):
            raise HTTPException(400, f"unknown member {', '.join(sorted(unknown))}")
        try:
            result = operation(body, **request.path_params)
        except LookupError as error:
            raise HTTPException(409, str(error)) from error
        result = await result if inspect.isawaitable(result) else result
        return JSONResponse({} if result is None else result, headers={"Cache-Control": "no-store"})

    return Route(path, respond, methods=[method])


def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's signature
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    return JSONResponse({"error": error.detail}, error.status_code)


def _invalid(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's signature
    assert isinstance(error, ValidationError)  # noqa: S101 - registered for it
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return JSONResponse({"error": "; ".join(faults)}, 400)
