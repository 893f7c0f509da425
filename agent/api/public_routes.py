"""The three public routes: liveness, readiness, and protected resource metadata. No secret."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from agent.api.response_models import Health, ProtectedResource, ReadinessAnswer, answers
from agent.error_table import for_operators
from agent.middleware.authentication import PROTECTED_RESOURCE_PATH
from agent.readiness import Readiness
from agent.settings.variables import Settings


def public_routes(settings: Settings, readiness: Readiness) -> APIRouter:
    """`/health`, `/ready`, and the metadata of RFC 9728."""
    router = APIRouter()

    @router.head("/health", include_in_schema=False)
    @router.get("/health", responses=answers(Health))
    async def health() -> JSONResponse:
        """The process is up."""
        return JSONResponse({"status": "ok"})

    @router.head("/ready", include_in_schema=False)
    @router.get("/ready", responses=answers(ReadinessAnswer, _503=ReadinessAnswer))
    async def ready() -> JSONResponse:
        """200 if a request could be served now; 503 with what is missing, in the operators' words."""
        checks: dict[str, Any] = {}
        for name, error in (await readiness.failures()).items():
            row = for_operators(error).row if error else None
            checks[name] = (
                {
                    "ok": False,
                    "code": error.code,
                    "detail": error.public_detail,
                    "symptom": row.symptom,
                    "cause": row.cause,
                    "remedy": row.remedy,
                }
                if error and row
                else {"ok": True}
            )
        well = all(check["ok"] for check in checks.values())
        body = {"status": "ready" if well else "not_ready", "checks": checks}
        return JSONResponse(body, 200 if well else 503, None if well else {"Retry-After": "2"})

    @router.head(PROTECTED_RESOURCE_PATH, include_in_schema=False)
    @router.get(PROTECTED_RESOURCE_PATH, responses=answers(ProtectedResource))
    async def protected_resource() -> JSONResponse:
        """RFC 9728, section 2. The scope is in the form that IDaaS wants to be asked in."""
        return JSONResponse(
            {
                "resource": settings.agent_audience,
                "authorization_servers": [settings.idaas.issuer],
                "scopes_supported": [f"{settings.agent_audience}|{settings.agent_scope}"],
                "bearer_methods_supported": ["header"],
                "resource_name": "idaas-agent",
            }
        )

    return router
