"""The echo service: it checks a request as a service of `sandbox.toml` would, and shows what it received."""

import json
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.configuration.configuration import EchoService
from sandbox.function_compute.http_trigger import REQUEST_ID_HEADER, TokenRejectedError, check, claim_headers
from sandbox.function_compute.web_function import RefusedError, Requirement, read_caller, whole_body
from sandbox.state.cloud import Cloud
from sandbox.state.jwt_providers import JwtRefusedError

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_SHOWN_BODY = 4_000
_USUAL_HEADERS = ("authorization", "x-api-key", "api-key")
_Json = TypeVar("_Json")


class Echo:
    """Answers `/echo/{service}` and everything below it, for each service of the configuration.

    Counted are `function_compute:echo.<service>`, `…:refused_credential`, `…:revoked_credential` (a key that
    used to be good) and `…:expired_credential`. The answer has a mask of the secret, never more of it, also
    where the secret appears in the query or the body.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def answer(self, request: Request) -> Response:
        """The route's endpoint."""
        try:
            service = self._service(request)
            self._cloud.counters.count("function_compute", f"echo.{service.name}")
            secret = _received(request, service.placement)
            shown = self._checked(service, secret)
            content = _shown(await whole_body(request), secret)
        except RefusedError as error:
            body = {"error": error.code, "message": str(error), "request_id": _request_id(request)}
            headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
            return JSONResponse(body, error.status, headers)
        answer = {
            "service": service.name,
            "method": request.method,
            "path": _masked(request.url.path, secret),
            "query": _masked(_query(request), secret),
            "headers": sorted({name for name in request.headers if name != REQUEST_ID_HEADER}),
            "body": content,
            "credential": {"placement": service.placement, **shown},
            "request_id": _request_id(request),
        }
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    def _service(self, request: Request) -> EchoService:
        services = {service.name: service for service in self._cloud.configuration.services}
        if service := services.get(request.path_params["service"]):
            return service
        text = f"sandbox.toml must have the service, found {', '.join(services) or 'none'}"
        raise RefusedError(404, "unknown_service", text)

    def _checked(self, service: EchoService, secret: str) -> dict[str, Any]:
        if service.api_key:
            return self._api_key(service, secret)
        if service.jwt_provider:
            return self._issued_jwt(service, service.jwt_provider, secret)
        return self._token(service, secret)

    def _issued_jwt(self, service: EchoService, provider: str, secret: str) -> dict[str, Any]:
        """The claims of the JWT. Raises `RefusedError`."""
        try:
            claims = self._cloud.jwt_providers.claims(secret, provider, service.audience or "")
        except JwtRefusedError as rejection:
            self._refused(expired=rejection.expired)
            raise RefusedError(401, "invalid_token", f"JWT: {rejection}") from None
        return {"kind": "issued_jwt", "provider": provider, "claims": claims}

    def _token(self, service: EchoService, secret: str) -> dict[str, Any]:
        """The claims of the access token and who calls. Raises `RefusedError`."""
        try:
            claims = check(secret, self._cloud.function_compute_jwks, self._cloud.clock())
        except TokenRejectedError as rejection:
            self._refused(expired=rejection.expired)
            raise RefusedError(401, "invalid_token", f"access token: {rejection}") from None
        caller = read_caller(Headers(claim_headers(claims)), frozenset(self._cloud.directory.applications))
        granted = [permission for permission in service.permissions if permission in caller.permissions]
        Requirement(service.audience or "", (*granted, *service.permissions)[:1], service.person).check(
            caller
        )
        return {"kind": "access_token", "access_identity": caller.access_identity, "claims": dict(claims)}

    def _api_key(self, service: EchoService, secret: str) -> dict[str, Any]:
        """A mask of the key. Raises `RefusedError`."""
        identifier = service.api_key or ""
        if not self._cloud.vault.accepts(secret, identifier):
            self._refused(revoked=self._cloud.vault.was_valid(secret, identifier))
            text = f'must be the current API key of "{identifier}", found {_mask(secret)}'
            raise RefusedError(401, "invalid_api_key", text)
        return {"kind": "api_key", "identifier": identifier, "mask": _mask(secret)}

    def _refused(self, *, expired: bool = False, revoked: bool = False) -> None:
        self._cloud.counters.count("function_compute", "refused_credential")
        if revoked:
            self._cloud.counters.count("function_compute", "revoked_credential")
        if expired:
            self._cloud.counters.expired_credential("function_compute")


def _received(request: Request, placement: str) -> str:
    """The credential at its place. Raises `RefusedError` that says where one was found instead."""
    kind, _, name = placement.partition(":")
    if kind == "query":
        value = request.query_params.get(name, "")
    elif kind == "header":
        value = request.headers.get(name, "")
    else:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        value = token.strip() if scheme.lower() == "bearer" else ""
    if value:
        return value
    found = [header for header in _USUAL_HEADERS if header in request.headers]
    found += [f"query:{parameter}" for parameter in request.query_params]
    expected = "Authorization: Bearer" if kind == "Bearer" else placement
    text = f'the credential must be at "{expected}", found {", ".join(found) or "none"}'
    raise RefusedError(401, "missing_credential", text)


def _shown(body: bytes, secret: str) -> object:
    """The JSON of the body, else its text, shortened; None if there is none."""
    text = body.decode(errors="replace")
    if len(body) <= _SHOWN_BODY:
        try:
            content = _masked(json.loads(text, parse_constant=_no_json), secret)
            json.dumps(content, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            pass
        else:
            return content
    return _masked(text, secret)[:_SHOWN_BODY] or None


def _no_json(constant: str) -> object:
    raise ValueError(constant)


def _query(request: Request) -> dict[str, list[str]]:
    return {name: request.query_params.getlist(name) for name in request.query_params}


def _masked(value: _Json, secret: str) -> _Json:
    """`value` with the mask wherever the secret appears in a text of it."""
    masked: Any = value
    if isinstance(value, str):
        masked = value.replace(secret, _mask(secret))
    elif isinstance(value, dict):
        masked = {_masked(name, secret): _masked(member, secret) for name, member in value.items()}
    elif isinstance(value, list):
        masked = [_masked(member, secret) for member in value]
    return masked  # type: ignore[no-any-return]  # the same shape


def _mask(secret: str) -> str:
    """`sk-…3f2a (35 characters)`; of a short secret the length only."""
    shown = f"{secret[:3]}…{secret[-4:]}" if len(secret) >= 20 else "…"
    return f"{shown} ({len(secret)} characters)"


def _request_id(request: Request) -> str | None:
    return request.headers.get(REQUEST_ID_HEADER)
