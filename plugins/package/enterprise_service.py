"""The package of the enterprise service for Function Compute: the zip, and `s.yaml` with the JWT trigger."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from agent.settings.settings import Settings
from plugins.package.parts import InstallDependencies, PackagingError, document_of, write_package

_MEMBERS: Final = ("kty", "kid", "alg", "use", "e", "n")
_INTERPRETERS: Final = {
    "3.11": ("custom.debian12", "/usr/bin/python3"),
    "3.12": ("custom.debian11", "/var/fc/lang/python3.12/bin/python3.12"),
}


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """Name and place of the function. `python` is the version of the platform's image: 3.11 or 3.12."""

    name: str = "enterprise-service"
    region: str = "cn-hangzhou"
    python: str = "3.12"


def trigger_jwks(jwks: Mapping[str, Any]) -> dict[str, Any]:
    """The keys as the trigger takes them: RSA keys for signatures, with `alg` and `use`, no other members.

    Raises `PackagingError` if there is no such key.
    """
    public_keys = []
    for key in jwks.get("keys") or ():
        if isinstance(key, Mapping) and key.get("kty") == "RSA" and key.get("use", "sig") == "sig":
            complete = {"alg": "RS256", "use": "sig"} | dict(key)
            public_keys.append({name: complete[name] for name in _MEMBERS if name in complete})
    if not public_keys:
        raise PackagingError(["the JWKS has no RSA key for signatures"])
    return {"keys": public_keys}


def deployed_jwks(document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys in the JWT trigger of an `s.yaml`. Raises `PackagingError` if there are none."""
    try:
        (service,) = document["resources"].values()
        triggers = service["props"]["triggers"]
        (trigger,) = [trigger for trigger in triggers if trigger["triggerType"] == "http"]
        jwks: dict[str, Any] = trigger["triggerConfig"]["authConfig"]["jwks"]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PackagingError(["s.yaml has no HTTP trigger with JWT authentication"]) from None
    return jwks


def package_enterprise_service(
    settings: Settings,
    jwks: Mapping[str, Any],
    options: FunctionOptions,
    folder: Path,
    *,
    source: Path,
    install: InstallDependencies,
) -> None:
    """Writes `code.zip` and `s.yaml` into `folder`. `source` is the folder of `app.py`; `jwks` IDaaS's.

    The function verifies audience and permission of `ENTERPRISE_SERVICE_SCOPE` itself. Raises
    `PackagingError` with every fault before anything is installed.
    """
    keys = trigger_jwks(jwks)
    if settings.enterprise_service_scope is None:
        raise PackagingError(["ENTERPRISE_SERVICE_SCOPE must be set"])
    audience, _, permission = settings.enterprise_service_scope.rpartition("|")
    runtime, interpreter = _INTERPRETERS.get(options.python, ("", ""))
    trusted = {"issuer": settings.idaas.issuer, "audience": audience, "permission": permission, "jwks": keys}
    values = {**asdict(options), **trusted, "runtime": runtime, "interpreter": interpreter}
    files: dict[str, Path | bytes] = {"app.py": source / "app.py", "jwks.json": json.dumps(keys).encode()}
    write_package(folder, document_of("fc3", values), "fc3", files, install)
