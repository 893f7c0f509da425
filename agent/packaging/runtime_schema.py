"""What `s.yaml` may contain, by the components `agentrun` (1.0.12) and `fc3` (0.1.22) of Serverless Devs.

Stricter than the components, which pass unknown members in places, or only log a fault: a member that is
misspelt would be silently ineffective. Limits that only the API states are included.
"""

from typing import Any, Final

from agent.packaging.closed_schema import (
    ListOf,
    Members,
    anything,
    faults,
    flag,
    matching,
    number,
    one_of,
    text,
    texts_by_name,
)

_REGIONS: Final = (
    *(
        "cn-beijing",
        "cn-hangzhou",
        "cn-shanghai",
        "cn-zhangjiakou",
        "cn-shenzhen",
        "cn-chengdu",
        "cn-hongkong",
    ),
    *("ap-southeast-1", "ap-southeast-5", "ap-northeast-1", "us-west-1", "eu-west-1", "eu-central-1"),
)
AGENTRUN_REGIONS: Final = (*_REGIONS, "cn-guangzhou")
FC_REGIONS: Final = (
    *_REGIONS,
    *("ap-northeast-2", "ap-south-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-7"),
    *("cn-heyuan-acdr-1", "cn-huhehaote", "cn-qingdao", "cn-shanghai-cloudspe", "cn-shanghai-finance-1"),
    *("cn-wulanchabu", "me-central-1", "us-east-1"),
)
_ROLE: Final = matching(r"(acs:ram::[0-9]+:role/)?[a-zA-Z][a-zA-Z0-9_/-]{0,127}")
_NAME: Final = matching(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
_DISK: Final = one_of(512, 10240)
_VPC: Final = Members(
    {
        "vpcId": matching(r"vpc-[a-z0-9]+"),
        "vSwitchIds": ListOf(matching(r"vsw-[a-z0-9]+")),
        "securityGroupId": matching(r"sg-[a-z0-9]+"),
    },
    frozenset({"vpcId", "vSwitchIds", "securityGroupId"}),
)


def _log(value: object) -> str | None:
    named = isinstance(value, dict) and value.keys() == {"project", "logstore"}
    return None if value == "auto" or named else "must be auto, or have project and logstore"


_HEALTH_CHECK: Final = {
    "httpGetUrl": matching(r"/\S{0,2047}"),
    "failureThreshold": number(1, 10),
    "successThreshold": number(1, 10),
}

_AGENT: Final = Members(
    {
        "name": matching(r"[a-zA-Z][a-zA-Z0-9_-]{0,127}"),
        "description": text(256),
        "code": Members(
            {
                "src": text(),
                "language": one_of("python3.10", "python3.12"),
                "command": ListOf(text()),
                "ossBucketName": text(),
                "ossObjectName": text(),
                "checksum": text(),
            },
            frozenset({"language", "command"}),
            (frozenset({"src", "ossObjectName"}),),
        ),
        "customContainerConfig": Members(
            {
                "image": text(),
                "port": number(1, 65535),
                "command": ListOf(text()),
                "imageRegistryType": one_of("ACR", "ACREE", "CUSTOM"),
                "acrInstanceId": text(),
            },
            frozenset({"image"}),
        ),
        "cpu": number(0.05, 16, 0.05),
        "memory": number(128, 32768, 64),
        "diskSize": _DISK,
        "port": number(1, 65535),
        "instanceConcurrency": number(1, 200),
        "sessionIdleTimeoutSeconds": number(60, 86400),
        "enableSessionIsolation": flag,
        "disableSessionAffinity": flag,
        "internetAccess": flag,
        "vpcConfig": _VPC,
        "environmentVariables": texts_by_name,
        "role": _ROLE,
        "credentialName": _NAME,
        "logConfig": _log,
        "protocolConfiguration": Members({"type": one_of("HTTP", "HTTPS")}, frozenset({"type"})),
        "healthCheckConfiguration": Members(
            _HEALTH_CHECK
            | {
                # The component turns 0 into 30.
                "initialDelaySeconds": number(1, 300),
                "periodSeconds": number(1, 300),
                "timeoutSeconds": number(1, 60),
            }
        ),
        "endpoints": ListOf(
            Members(
                {
                    "name": _NAME,
                    "version": matching(r"LATEST|[1-9][0-9]*"),
                    "description": text(256),
                    "weight": number(0.01, 0.99),
                },
                frozenset({"name"}),
            )
        ),
    },
    # The schema demands less; the API demands these, and the component applies no defaults.
    frozenset({"name", "cpu", "memory", "diskSize", "port", "internetAccess"}),
    (frozenset({"code", "customContainerConfig"}),),
)

_JWK: Final = Members(
    {
        "kty": one_of("RSA"),
        "alg": one_of("RS256"),
        "use": one_of("sig"),
        "kid": text(),
        "e": text(),
        "n": text(),
    },
    frozenset({"kty", "alg", "use", "e", "n"}),
)
_AUTH: Final = Members(
    {
        "jwks": Members({"keys": ListOf(_JWK)}, frozenset({"keys"})),
        "tokenLookup": matching(r"header:[A-Za-z0-9-]+(:.*)?"),
        "claimPassBy": matching(r"(header|cookie|form):[^:,]+:[^:,]+(,(header|cookie|form):[^:,]+:[^:,]+)*"),
        # Lower case: another spelling is ignored silently, and the paths would need a token.
        "whitelist": ListOf(text()),
        "blacklist": ListOf(text()),
    },
    frozenset({"jwks", "tokenLookup"}),
)
_TRIGGER: Final = Members(
    {
        "triggerName": text(128),
        "triggerType": one_of("http"),
        "qualifier": text(),
        "description": text(256),
        "triggerConfig": Members(
            {
                "authType": one_of("jwt"),  # nothing else protects an enterprise service
                "methods": ListOf(one_of("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")),
                "disableURLInternet": flag,
                "authConfig": _AUTH,
            },
            frozenset({"authType", "methods", "authConfig"}),
        ),
    },
    frozenset({"triggerName", "triggerType", "triggerConfig"}),
)
_FUNCTION: Final = Members(
    {
        "region": one_of(*FC_REGIONS),
        "functionName": matching(r"[A-Za-z_][A-Za-z0-9_-]{0,63}"),
        "description": text(256),
        "runtime": one_of("custom.debian11", "custom.debian12"),
        "code": text(),
        "cpu": number(0.05, 16, 0.05),
        "memorySize": number(128, 32768, 64),
        "diskSize": _DISK,
        "timeout": number(1, 86400),
        "instanceConcurrency": number(1, 200),
        "customRuntimeConfig": Members(
            {
                "command": ListOf(text()),
                "args": ListOf(text()),
                "port": number(1, 65535),
                "healthCheckConfig": Members(
                    _HEALTH_CHECK
                    | {
                        "initialDelaySeconds": number(0, 120),
                        "periodSeconds": number(1, 120),
                        "timeoutSeconds": number(1, 3),
                    }
                ),
            },
            frozenset({"command", "port"}),
        ),
        "environmentVariables": texts_by_name,
        "internetAccess": flag,
        "role": _ROLE,
        "logConfig": _log,
        "vpcConfig": _VPC,
        "triggers": ListOf(_TRIGGER),
    },
    # The components' defaults, 3 seconds and 1 request at a time, do not suit a web service.
    frozenset({"region", "functionName", "runtime", "code", "timeout", "instanceConcurrency", "triggers"})
    | {"cpu", "memorySize", "diskSize", "customRuntimeConfig"},
)


def _document(component: str, props: Members) -> Members:
    resource = Members({"component": one_of(component), "props": props}, frozenset({"component", "props"}))

    return Members(
        {
            "edition": one_of("3.0.0"),
            "name": text(),
            "access": text(),
            "resources": Members({"agent": resource, "service": resource}),
            "vars": anything,
        },
        frozenset({"edition", "name", "access", "resources"}),
    )


_AGENTRUN_DOCUMENT: Final = _document(
    "agentrun",
    Members({"region": one_of(*AGENTRUN_REGIONS), "agent": _AGENT}, frozenset({"region", "agent"})),
)
_FC_DOCUMENT: Final = _document("fc3", _FUNCTION)


def agentrun_faults(document: Any) -> list[str]:  # noqa: ANN401 - whatever YAML contains
    """Every fault of an `s.yaml` for the component `agentrun`, each with its path."""
    found = faults(document, _AGENTRUN_DOCUMENT, "s.yaml")
    return found or _ratio_faults(document["resources"]["agent"]["props"]["agent"], "memory")


def fc_faults(document: Any) -> list[str]:  # noqa: ANN401 - whatever YAML contains
    """Every fault of an `s.yaml` for the component `fc3`, each with its path."""
    found = faults(document, _FC_DOCUMENT, "s.yaml")
    if found:
        return found
    function = document["resources"]["service"]["props"]
    for number_, trigger in enumerate(function["triggers"]):
        if {"whitelist", "blacklist"} <= trigger["triggerConfig"]["authConfig"].keys():
            # The component logs this and leaves the trigger out.
            found.append(f"triggers[{number_}] must not have both whitelist and blacklist")
    return found + _ratio_faults(function, "memorySize")


def _ratio_faults(function: Any, memory: str) -> list[str]:  # noqa: ANN401 - checked before
    """Function Compute allows 1 to 4 GB of memory for each core."""
    ratio = function[memory] / 1024 / function["cpu"]
    return [] if 1 <= ratio <= 4 else [f"cpu and {memory} must be from 1:1 to 1:4, found 1:{ratio:.2f} GB"]
