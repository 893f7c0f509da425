"""The public routes of every agent: liveness, readiness and protected resource metadata, without a secret."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse

from agent.api.response_models import Health, ProtectedResource, ReadinessReport, documented
from agent.api.surface import Surface
from agent.http.authentication import metadata_path
from agent.operations.readiness import Readiness
from agent.settings.settings import Settings


def resource_metadata(settings: Settings, resource: str) -> JSONResponse:
    """RFC 9728, section 2. The scope has the form that IDaaS expects in a request."""
    return JSONResponse(
        {
            "resource": resource,
            "authorization_servers": [settings.idaas.issuer],
            "scopes_supported": [f"{settings.agent_audience}|{settings.agent_scope}"],
            "bearer_methods_supported": ["header"],
            "resource_name": "idaas-agent",
        }
    )


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
        checks: dict[str, dict[str, Any]] = {name: {"ok": True} for name in failures}
        failed = {name: error for name, error in failures.items() if error is not None}
        for name, error in failed.items():
            checks[name] = {"ok": False, "code": error.code}
        if not readiness.in_service(failures):
            return JSONResponse({"status": "not_ready", "checks": checks}, 503, {"Retry-After": "2"})
        status = "degraded" if failed else "ready"
        return JSONResponse({"status": status, "checks": checks})

    @router.head(metadata_path(), include_in_schema=False)
    @router.get(metadata_path(), responses=documented(ProtectedResource))
    async def protected_resource() -> JSONResponse:
        """The agent as a protected resource: its audience."""
        return resource_metadata(settings, settings.agent_audience)

    return router


PUBLIC: Final = Surface(
    name="public",
    routes=lambda agent: public_routes(agent.settings, agent.readiness),
    public_paths=frozenset({"/health", "/ready", metadata_path()}),
)
