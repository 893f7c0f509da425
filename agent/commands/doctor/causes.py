"""Why a step failed: its address, the instance of IDaaS, and what the detail of its error shows.

The connection and the instance are examined after a failure only, and no credential is sent.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from agent.commands.doctor.finding import Explanation
from agent.errors.error_codes import AgentCode
from agent.settings.declared_services import declared_services
from agent.settings.settings import Settings
from graph.error_codes import GraphCode
from http1.proxy import Proxy, proxy_of
from identity.error_codes import IdentityCode
from identity.errors import AgentError
from identity.idaas.client_authentication.plugin import Plugin
from identity.strict_json import read_object
from identity.transport.bounded_response import Response, TransportFailure, send
from identity.transport.connection_failure import obstacle_of
from tools.service import Service
from tools.service_declarations import ServiceDeclaration

_SECONDS: Final = 5.0
_PATH: Final = "/.well-known/cloud-idaas-configuration"
_MAX_BYTES: Final = 65_536
_LEEWAY: Final = 30.0
_DATED: Final = frozenset({"CLIENT_SECRET_JWT", "PRIVATE_KEY_JWT", "PCA", "PKCS7", "OIDC"})
"""Methods with a time in the credential."""


async def obstacle(url: str, setting: str, tls: ssl.SSLContext) -> Explanation | None:
    """Why `url`, configured by `setting`, cannot be reached; `None` if it can, or if a proxy that lives is
    used.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme in ("https", "rediss")
    default_port = 443 if secure else 80
    port = parts.port or default_port
    tls_of_url = tls if secure else None
    problem = "no connection"
    sandbox = ""
    if parts.scheme in ("http", "https") and (proxy := proxy_of(url)) is not None:
        return await _obstacle_at_proxy(proxy, host)
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=tls_of_url)
    except OSError as error:
        reason = obstacle_of(error)
        problem = (error.strerror or problem).lower()
        is_local = reason == "refused" and host == "localhost" and secure
        sandbox = " (in the sandbox: idaas-agent sandbox)" if is_local else ""
    else:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return None
    names = {"host": host, "port": port, "setting": setting, "seconds": _SECONDS}
    return Explanation.found(reason, **names, problem=problem, sandbox=sandbox)


async def _obstacle_at_proxy(proxy: Proxy, host: str) -> Explanation | None:
    """Why the proxy to `host` cannot be reached. What it does with a request is not examined."""
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(proxy.host, proxy.port)
    except OSError as error:
        problem = (error.strerror or "no connection").lower()
        return Explanation.found(
            "proxy_unreachable", host=host, proxy=f"{proxy.host}:{proxy.port}", problem=problem
        )
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return None


async def instance_difference(
    settings: Settings, http: httpx.AsyncClient, clock: Callable[[], float]
) -> Explanation | None:
    """The clock or the instance differs by IDaaS's description of itself; `None` if neither does."""
    idaas = settings.idaas
    request = http.build_request("GET", f"https://{urlsplit(idaas.issuer).netloc}{_PATH}")
    response = await send(http, request, max_bytes=_MAX_BYTES, deadline=_SECONDS)
    if isinstance(response, TransportFailure):
        return None
    seconds = _ahead(response, clock())
    if idaas.authn_method in _DATED and abs(seconds) > _LEEWAY:
        where = "ahead of" if seconds > 0 else "behind"
        return Explanation.found("clock", seconds=abs(seconds), where=where)
    instance = _instance(response)
    if instance and instance != idaas.instance_id:
        audience = "; it is the audience of the machine's document" if idaas.authn_method == "PKCS7" else ""
        names = {"instance": instance, "expected": idaas.instance_id, "audience": audience}
        return Explanation.found("another_instance", **names)
    return None


def _ahead(response: Response, now: float) -> float:
    """By how many seconds this machine's clock is ahead of the response's date."""
    try:
        return now - parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return 0.0


def _instance(response: Response) -> str:
    try:
        instance_id = read_object(response.body).get("instance_id") if response.status == 200 else None
    except ValueError:
        return ""
    if not isinstance(instance_id, str) or not instance_id.isprintable() or len(instance_id) > 100:
        return ""
    return instance_id


@dataclass(frozen=True, slots=True)
class Origin:
    """The address of a part, the settings of its address and its credential, and a name for the credential.

    `url` is empty if the address is not known, or if the error is not about it.
    """

    url: str
    url_setting: str
    credential_setting: str
    credential: str = "the credential"


def origin_of(settings: Settings, services: Sequence[Service], part: str, error: AgentError) -> Origin:
    """The origin of a failure in `part`: `idaas`, `model`, or the name of a service."""
    origin = _of_settings(settings, part)
    if service := next((service for service in services if service.name == part), None):
        settings_of_service = ", ".join(service.settings)
        origin = origin or Origin("", settings_of_service, settings_of_service)
        parts = service.credential.parts if service.credential else ["a request without a credential"]
        origin = replace(origin, credential=" and ".join(map(str, parts)))
    declaration = f'the declaration of "{part}"'
    origin = origin or Origin("", declaration, declaration)
    match error.code:
        case AgentCode.REDIS_UNAVAILABLE if settings.redis_url is not None:
            return replace(origin, url=settings.redis_url.reveal(), url_setting="REDIS_URL")
        case IdentityCode.JWKS_UNAVAILABLE:
            return replace(origin, url=settings.jwks_url, url_setting="JWKS_ENDPOINT")
        case IdentityCode.IDAAS_UNREACHABLE if error.detail.startswith("Developer API"):
            url = settings.idaas.developer_api_endpoint
            return replace(origin, url=url, url_setting="developerApiEndpoint")
        case IdentityCode.IDAAS_UNREACHABLE if isinstance(settings.idaas.client_authentication, Plugin):
            url = settings.idaas.client_authentication.endpoint
            return replace(origin, url=url, url_setting="openApiEndpoint")
        case IdentityCode.IDAAS_UNREACHABLE:
            return replace(origin, url=settings.idaas.token_endpoint, url_setting="tokenEndpoint")
    codes = {GraphCode.MODEL_CALL_FAILED, *(service.error_code for service in declared_services(settings))}
    return origin if error.code in codes else replace(origin, url="")


def _of_settings(settings: Settings, part: str) -> Origin | None:
    """The origin that the variables or SERVICES_FILE configure."""
    if part == "model":
        key = "LLM_API_KEY_IDENTIFIER" if settings.llm_api_key_file is None else "LLM_API_KEY_FILE"
        return Origin(settings.model_address or "", "LLM_BASE_URL", key)
    declared = next((service for service in declared_services(settings) if service.name == part), None)
    if declared is None:
        return None
    url = declared.declaration.url
    if isinstance(settings.services.get(part), ServiceDeclaration):
        member = declared.declaration.credential_key or "access_token"
        if getattr(declared.declaration, "also", ()):
            member += " or also"
        place = f"services.{part}"
        return Origin(url, f"{place}.url in SERVICES_FILE", f"{place}.{member} in SERVICES_FILE")
    return Origin(url, declared.settings[0], declared.settings[-1])
