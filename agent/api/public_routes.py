"""The three public routes: liveness, readiness and protected resource metadata. They contain no secret."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from agent.api.response_models import Health, ProtectedResource, ReadinessReport, documented
from agent.http.authentication import MCP_PATH, MCP_RESOURCE_PATH, PROTECTED_RESOURCE_PATH
from agent.http.public_address import public_address
from agent.operations.readiness import Readiness
from agent.settings.settings import Settings


def public_routes(settings: Settings, readiness: Readiness) -> APIRouter:
    """`/health`, `/ready`, and the metadata of RFC 9728."""
    router = APIRouter()

    @router.head("/health", include_in_schema=False)
    @router.get("/health", responses=documented(Health))
    async def health() -> JSONResponse:
        """The process is up."""
        return JSONResponse({"status": "ok"})

    @router.head("/ready", include_in_schema=False)
    @router.get("/ready", responses=documented(ReadinessReport, 200, 503))
    async def ready() -> JSONResponse:
        """200 if a request can be served now, also if an optional part fails (`degraded`); otherwise 503.

        A failed check shows its code only, because anyone may read it. The log has the rest.
        """
        failures = await readiness.failures()
        checks: dict[str, dict[str, Any]] = {
            name: {"ok": True} if error is None else {"ok": False, "code": error.code}
            for name, error in failures.items()
        }
        ready_now = readiness.in_service(failures)
        status = "not_ready" if not ready_now else "degraded" if any(failures.values()) else "ready"
        body = {"status": status, "checks": checks}
        return JSONResponse(body, 200 if ready_now else 503, None if ready_now else {"Retry-After": "2"})

    @router.head(MCP_RESOURCE_PATH, include_in_schema=False)
    @router.get(MCP_RESOURCE_PATH, responses=documented(ProtectedResource))
    @router.head(PROTECTED_RESOURCE_PATH, include_in_schema=False)
    @router.get(PROTECTED_RESOURCE_PATH, responses=documented(ProtectedResource))
    async def protected_resource(request: Request) -> JSONResponse:
        """RFC 9728, section 2. The scope has the form that IDaaS expects in a request.

        For clients of MCP the resource is the address that they call (section 3.3).
        """
        resource = settings.agent_audience
        if request.url.path.endswith(MCP_RESOURCE_PATH):
            resource = public_address(settings, request.scope) + MCP_PATH
        return JSONResponse(
            {
                "resource": resource,
                "authorization_servers": [settings.idaas.issuer],
                "scopes_supported": [f"{settings.agent_audience}|{settings.agent_scope}"],
                "bearer_methods_supported": ["header"],
                "resource_name": "idaas-agent",
            }
        )

    return router
