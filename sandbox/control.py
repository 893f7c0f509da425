"""The control endpoint: changing the sandbox while it runs, from this machine only. README.md lists it.

Served on the plain port under `/__sandbox__/`. It gives out access tokens, so it answers only to loopback
addresses that call it by a loopback name, and to no web page: neither a foreign site in a browser on this
machine nor a rebound DNS name gets through.
"""

from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sandbox.configuration.configuration import ConfigurationFaultsError
from sandbox.faults.faults import SERVICES, Fault
from sandbox.idaas.account_synchronization import AccountSynchronization
from sandbox.local_callers import for_this_machine_only
from sandbox.ram import Policy
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT_AUDIENCE
from sandbox.state.settings import Settings


class Control:
    """One method for each thing that can be seen or changed."""

    def __init__(self, cloud: Cloud, synchronization: AccountSynchronization) -> None:
        self._cloud = cloud
        self._synchronization = synchronization

    def routes(self) -> list[Route]:
        return [
            Route("/access-tokens", self.access_token, methods=["POST"]),
            Route("/configuration/reload", self.reload, methods=["POST"]),
            Route("/counters", self.counters, methods=["GET", "DELETE"]),
            Route("/credentials/{identifier}/disable", self.disable_credential, methods=["POST"]),
            Route("/credentials/{identifier}/revoke", self.revoke_credential, methods=["POST"]),
            Route("/credentials/{identifier}/rotate", self.rotate_credential, methods=["POST"]),
            Route("/events", self.events),
            Route("/execution-role/expire", self.expire_role_credentials, methods=["POST"]),
            Route("/execution-role/policy", self.role_policy, methods=["GET", "PUT"]),
            Route("/faults", self.faults, methods=["GET", "DELETE"]),
            Route("/faults/{service}", self.fault, methods=["PUT", "DELETE"]),
            Route("/function-compute/jwks", self.paste_jwks, methods=["POST"]),
            Route("/keys/rotate", self.rotate_keys, methods=["POST"]),
            Route("/permissions/revoke", self.revoke_permission, methods=["POST"]),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/restart/{service}", self.restart, methods=["POST"]),
            Route("/settings", self.settings, methods=["GET", "PATCH"]),
            Route("/workload-tokens", self.workload_tokens, methods=["POST"]),
            Route("/users/{name}/{action}", self.change_user, methods=["POST"]),
        ]

    async def access_token(self, request: Request) -> Response:
        body = await _body(request, {"user", "audience", "permissions", "lifetime"})
        user, lifetime = body.get("user", "alice"), body.get("lifetime")
        permissions = body.get("permissions", ["agent.access"])
        if user not in self._cloud.directory.users:
            known = ", ".join(self._cloud.directory.users)
            raise HTTPException(404, f'user "{user}" is unknown; known are {known}')
        if not isinstance(permissions, list) or not isinstance(lifetime, int | None):
            raise HTTPException(400, '"permissions" must be a list and "lifetime" a number of seconds')
        token = self._cloud.user_token(
            user,
            audience=str(body.get("audience", AGENT_AUDIENCE)),
            permissions=tuple(map(str, permissions)),
            lifetime=lifetime,
        )
        return JSONResponse({"access_token": token}, headers={"Cache-Control": "no-store"})

    async def reload(self, request: Request) -> Response:
        await _body(request, set())
        try:
            path = self._cloud.reload()
        except LookupError as error:
            raise HTTPException(409, str(error)) from error
        except ConfigurationFaultsError as error:
            raise HTTPException(400, str(error)) from error
        services = self._cloud.configuration.services
        urls = {service.name: self._cloud.addresses.echo_url(service.name) for service in services}
        return JSONResponse({"config": str(path.resolve()), "services": urls})

    async def counters(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._cloud.counters.reset()
        return JSONResponse(self._cloud.counters.snapshot())

    async def events(self, request: Request) -> Response:  # noqa: ARG002 - nothing to choose
        return JSONResponse([asdict(event) for event in self._cloud.events.snapshot()])

    async def role_policy(self, request: Request) -> Response:
        role = self._cloud.execution_role
        if request.method == "PUT":
            role.policy = Policy.model_validate(await _body(request, {"Version", "Statement"}))
        return JSONResponse(role.policy.model_dump(by_alias=True))

    async def expire_role_credentials(self, request: Request) -> Response:
        await _body(request, set())
        self._cloud.execution_role.expire()
        return JSONResponse({})

    async def workload_tokens(self, request: Request) -> Response:
        claims = await _body(request, {"iss", "sub", "aud", "nbf", "lifetime"})
        if not isinstance(claims.get("lifetime"), int | None):
            raise HTTPException(400, '"lifetime" must be a number of seconds')
        try:
            self._cloud.write_workload_tokens(**claims)
        except LookupError as error:
            raise HTTPException(409, str(error)) from error
        return JSONResponse({})

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._cloud.faults.clear()
        return self._faults()

    async def fault(self, request: Request) -> Response:
        service = request.path_params["service"]
        if service not in SERVICES:
            raise HTTPException(404, f'service must be one of {", ".join(SERVICES)}, found "{service}"')
        if request.method == "DELETE":
            self._cloud.faults.clear(service)
        else:
            body = await _body(request, {member.name for member in fields(Fault)})
            fault = TypeAdapter(Fault).validate_python(body)
            try:
                self._cloud.faults.set(service, fault)
            except KeyError as error:
                raise HTTPException(400, f"service {error} is unknown") from error
            except ValueError as error:
                raise HTTPException(400, str(error)) from error
        return self._faults()

    async def settings(self, request: Request) -> Response:
        settings = self._cloud.settings
        if request.method == "PATCH":
            body = await _body(request, {member.name for member in fields(Settings)})
            changed = TypeAdapter(Settings).validate_python(asdict(settings) | body)
            for name, value in asdict(changed).items():
                setattr(settings, name, value)
        return JSONResponse(asdict(settings))

    async def rotate_keys(self, request: Request) -> Response:
        body = await _body(request, {"overlap"})
        self._cloud.keys.rotate(overlap=body.get("overlap", True) is not False)
        return JSONResponse(self._cloud.jwks())

    async def paste_jwks(self, request: Request) -> Response:
        await _body(request, set())
        self._cloud.paste_jwks()
        return JSONResponse(self._cloud.function_compute_jwks)

    async def rotate_credential(self, request: Request) -> Response:
        identifier = self._credential(request)
        body = await _body(request, {"api_key"})
        key = body.get("api_key")
        self._cloud.vault.rotate(identifier, now=self._cloud.clock(), api_key=str(key) if key else None)
        return JSONResponse({"identifier": identifier})

    async def disable_credential(self, request: Request) -> Response:
        identifier = self._credential(request)
        await _body(request, set())
        self._cloud.vault.disable(identifier)
        return JSONResponse({"identifier": identifier})

    async def revoke_credential(self, request: Request) -> Response:
        identifier = self._credential(request)
        holder = (await _body(request, {"holder"})).get("holder")
        entry = self._cloud.vault.find(identifier)
        if entry is None or holder not in entry.readers:
            raise HTTPException(404, f'"{holder}" is no reader of "{identifier}"')
        entry.readers.discard(holder)
        return JSONResponse({"identifier": identifier, "readers": sorted(entry.readers)})

    async def revoke_permission(self, request: Request) -> Response:
        body = await _body(request, {"holder", "audience", "permission"})
        grant = [str(body.get(name, "")) for name in ("holder", "audience", "permission")]
        if not self._cloud.directory.revoke(*grant):
            raise HTTPException(404, f'"{grant[0]}" has no permission "{grant[2]}" of "{grant[1]}"')
        return JSONResponse(dict(zip(("holder", "audience", "permission"), grant, strict=True)))

    async def restart(self, request: Request) -> Response:
        await _body(request, set())
        try:
            self._cloud.restart(request.path_params["service"])
        except KeyError as error:
            raise HTTPException(404, f"service {error} has no sessions") from error
        return JSONResponse({})

    async def reset(self, request: Request) -> Response:
        await _body(request, set())
        self._cloud.reset()
        return JSONResponse({})

    async def change_user(self, request: Request) -> Response:
        """Changes a user as an administrator does, and reports it to the agent."""
        await _body(request, set())
        user = self._cloud.directory.users.get(request.path_params["name"])
        action = request.path_params["action"]
        if user is None or action not in _USER_ACTIONS:
            raise HTTPException(404, f"no such user, or action: {', '.join(_USER_ACTIONS)}")
        if action in ("disable", "lock", "delete"):
            self._cloud.directory.disabled.add(user.subject)
        elif action in ("enable", "unlock"):
            self._cloud.directory.disabled.discard(user.subject)
        kind = "common:test" if action == "test" else f"ud:user:{action}"
        reported = await self._synchronization.send(kind, user)
        return JSONResponse({"user": user.name, "action": action, "reported": reported})

    def _faults(self) -> Response:
        return JSONResponse({name: asdict(fault) for name, fault in self._cloud.faults.snapshot().items()})

    def _credential(self, request: Request) -> str:
        identifier = str(request.path_params["identifier"])
        if self._cloud.vault.find(identifier) is None:
            raise HTTPException(404, f'credential "{identifier}" is unknown')
        return identifier


_USER_ACTIONS = ("disable", "enable", "lock", "unlock", "delete", "update_password", "test")


def application(cloud: Cloud, synchronization: AccountSynchronization) -> ASGIApp:
    """Serves `/__sandbox__/`. Errors are `{"error": "…"}`."""
    app = Starlette(
        routes=[Mount("/__sandbox__", routes=Control(cloud, synchronization).routes())],
        exception_handlers={HTTPException: _refused, ValidationError: _invalid},
    )
    return for_this_machine_only(app)


async def _body(request: Request, members: set[str]) -> dict[str, Any]:
    """The JSON object of the request, `{}` if there is no body; no member beyond `members`."""
    raw = await request.body()
    try:
        body = await request.json() if raw else {}
    except ValueError as error:
        raise HTTPException(400, "the body must be JSON") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be a JSON object")
    if unknown := body.keys() - members:
        raise HTTPException(400, f"unknown member {', '.join(sorted(unknown))}")
    return body


def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's signature
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, error.status_code)


def _invalid(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's signature
    if not isinstance(error, ValidationError):
        raise error
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return JSONResponse({"error": "; ".join(faults)}, 400)
