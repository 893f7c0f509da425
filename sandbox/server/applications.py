"""Which services each listener serves. Each package `sandbox.<service>` has `application(cloud) -> ASGIApp`,
which sees the full path of the URL.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.addresses import PROVISIONING_PATH
from sandbox.state.cloud import Cloud


def applications(cloud: Cloud) -> dict[str, ASGIApp]:
    """By listener. Imports late: the services cost time to import."""
    from sandbox import (
        amap,
        bucket,
        calendar,
        cluster,
        control,
        developer_api,
        ecs,
        function_compute,
        idaas,
        model_studio,
        openapi,
    )
    from sandbox.idaas.account_synchronization import AccountSynchronization

    synchronization = AccountSynchronization(cloud)
    idaas_app = idaas.application(cloud)
    tls = by_prefix(
        {
            f"{PROVISIONING_PATH}/": synchronization.application(),
            "/v2/": developer_api.application(cloud),
            f"{cluster.PATH}/": cluster.application(cloud),
        },
        exactly("/", openapi.application(cloud), idaas_app),
    )
    plain = by_prefix(
        {
            "/__sandbox__/": control.application(cloud, synchronization),
            "/latest/": ecs.application(cloud),
            f"{calendar.PATH}/": calendar.pages(cloud),
            ecs.CREDENTIALS_PATH: ecs.credentials_uri(cloud),
        },
        idaas_app,
    )
    return {
        "idaas": tls,
        "idaas_plain": plain,
        "model_studio": by_prefix(
            {"/api/v1/mcps/": amap.application(cloud)}, model_studio.application(cloud)
        ),
        "function_compute": by_prefix(
            {f"{bucket.PATH}/": bucket.application(cloud), f"{calendar.PATH}/": calendar.application(cloud)},
            function_compute.application(cloud),
        ),
    }


def by_prefix(applications: dict[str, ASGIApp], otherwise: ASGIApp) -> ASGIApp:
    """Chooses an application by the start of the path, which stays as it is."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        app = next((app for prefix, app in applications.items() if path.startswith(prefix)), otherwise)
        await app(scope, receive, send)

    return choose


def exactly(path: str, app: ASGIApp, otherwise: ASGIApp) -> ASGIApp:
    """Chooses `app` for this very path."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope.get("path") == path else otherwise)(scope, receive, send)

    return choose
