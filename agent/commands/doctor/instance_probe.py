"""Why IDaaS refuses a client credential that looks right here: the clock, or another instance.

IDaaS gives no reason for `invalid_client`. For use after such a refusal: one request, without a credential.
"""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from agent.commands.doctor.finding import Explanation
from agent.settings.settings import Settings
from identity.strict_json import read_object
from identity.transport.bounded_response import Response, TransportFailure, send

_PATH: Final = "/.well-known/cloud-idaas-configuration"
_MAX_BYTES: Final = 65_536
_SECONDS: Final = 5.0
_LEEWAY: Final = 30.0
_DATED: Final = frozenset({"CLIENT_SECRET_JWT", "PRIVATE_KEY_JWT", "PCA", "PKCS7", "OIDC"})
"""The methods whose credential has a time in it."""


async def instance_difference(
    settings: Settings, http: httpx.AsyncClient, clock: Callable[[], float]
) -> Explanation | None:
    """What IDaaS's description of itself shows; `None` if it shows nothing, or is not there."""
    idaas = settings.idaas
    request = http.build_request("GET", f"https://{urlsplit(idaas.issuer).netloc}{_PATH}")
    response = await send(http, request, max_bytes=_MAX_BYTES, deadline=_SECONDS)
    if isinstance(response, TransportFailure):
        return None
    seconds = _ahead(response, clock())
    if idaas.authn_method in _DATED and abs(seconds) > _LEEWAY:
        where = "ahead of" if seconds > 0 else "behind"
        return Explanation(
            "clock",
            f"the clock of this machine is {abs(seconds):.0f} s {where} that of IDaaS",
            "set the clock of this machine (NTP)",
        )
    instance = _instance(response)
    if instance and instance != idaas.instance_id:
        audience = "; it is the audience of the machine's document" if idaas.authn_method == "PKCS7" else ""
        return Explanation(
            "another_instance",
            f'the issuer is of the instance "{instance}", and idaasInstanceId is "{idaas.instance_id}"'
            f"{audience}",
            "correct idaasInstanceId, or issuer and tokenEndpoint, in the SDK configuration",
        )
    return None


def _ahead(response: Response, now: float) -> float:
    """By how many seconds this machine's clock is ahead of the response's date."""
    try:
        return now - parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except ValueError:
        return 0.0


def _instance(response: Response) -> str:
    try:
        found = read_object(response.body).get("instance_id") if response.status == 200 else None
    except ValueError:
        return ""
    return found if isinstance(found, str) and found.isprintable() and len(found) <= 100 else ""
