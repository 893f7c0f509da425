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
        checks: dict[str, dict[str, Any]] = {
            name: {"ok": True} if error is None else {"ok": False, "code": error.code}
            for name, error in failures.items()
        }
        ready_now = readiness.in_service(failures)
        status = "not_ready" if not ready_now else "degraded" if any(failures.values()) else "ready"
        body = {"status": status, "checks": checks}
        return JSONResponse(body, 200 if ready_now else 503, None if ready_now else {"Retry-After": "2"})

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
