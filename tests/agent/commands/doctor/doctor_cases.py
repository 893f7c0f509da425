"""Faults of a configuration or a service, each with the finding that `doctor` must report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.faults.faults import Fault
from sandbox.ram import Policy, Statement
from sandbox.state.directory import AGENT, ENTERPRISE_AUDIENCE, PAM_AUDIENCE
from tests.suite import Sandbox

HUMAN = {"ACCESS_IDENTITY": "Human"}
ALICE = "user_alice01"


def nothing(sandbox: Sandbox) -> None:
    """Changes nothing but the variables."""


def fault(service: str, **members: object) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.cloud.faults.set(service, Fault(**members))


def revoked(*grant: str) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.cloud.directory.revoke(*grant)


def no_reader(identifier: str, holder: str) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.cloud.vault.find(identifier).readers.discard(holder)


def exchanged_too_often(sandbox: Sandbox) -> None:
    """IDaaS refuses all exchanges."""
    sandbox.cloud.settings.exchange_depth = 0


def without_exchange(sandbox: Sandbox) -> None:
    """The agent loses the grant type token exchange."""
    applications = sandbox.cloud.directory.applications
    left = applications[AGENT].grant_types - {"token_exchange"}
    applications[AGENT] = replace(applications[AGENT], grant_types=left)


def setting(**members: object) -> Callable[[Sandbox], None]:
    """Changes settings of the sandbox."""

    def change(sandbox: Sandbox) -> None:
        for name, value in members.items():
            setattr(sandbox.cloud.settings, name, value)

    return change


def policy(effect: str) -> Callable[[Sandbox], None]:
    """The policy of the execution role: everything is allowed or denied."""
    statement = Statement(effect=effect, action=["*"], resource=["*"])
    return lambda sandbox: setattr(sandbox.cloud.execution_role, "policy", Policy(statement=[statement]))


@dataclass(frozen=True)
class Case:
    """A fault, and the finding of `doctor`: step, code and reason."""

    step: str
    code: str
    reason: str
    variables: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[Sandbox], None] = nothing
    configuration: Mapping[str, object] = field(default_factory=dict)
    """Members of the SDK configuration."""
    token: Mapping[str, object] | None = None
    """The user's token: keywords of `sandbox.access_token`."""
    clock: float = 0.0
    """Seconds by which the agent's clock is ahead."""
    authn: AuthnMethod | None = None
    source: RoleCredentials = RoleCredentials.ENVIRONMENT

    def __str__(self) -> str:
        return f"{self.step}: {self.reason}".replace(" ", "_")


def closed(path: str) -> str:
    """An address at which nothing listens: port 1 is unused."""
    return f"https://localhost:1{path}"


CREDENTIAL = "client credential"
OWN, KEYS, ISSUED, USER = "agent's own token", "signing keys", "what IDaaS issues", "user's access token"
LLM, AMAP, ENTERPRISE = "credential of model", "credential of amap", "credential of enterprise"

PKCS7, OIDC, PCA, PLUGIN = (AuthnMethod[name] for name in ("PKCS7", "OIDC", "PCA", "PLUGIN"))
UNAVAILABLE, REFUSED = "client_credential_unavailable", "client_authentication_failed"
NO_KEY = dict.fromkeys(("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
                        "ALIBABA_CLOUD_SECURITY_TOKEN"), "")  # fmt: skip
CLIENT_CASES = [
    Case(CREDENTIAL, UNAVAILABLE, "no_metadata_service", {"ECS_METADATA_ENDPOINT": "http://localhost:1"},
         authn=PKCS7),
    Case(CREDENTIAL, UNAVAILABLE, "metadata_refused", change=fault("ecs_metadata", status=404), authn=PKCS7),
    Case(CREDENTIAL, UNAVAILABLE, "workload_token_expired", clock=7200, authn=OIDC),
    Case(CREDENTIAL, UNAVAILABLE, "no_credentials_uri", change=fault("credentials_uri", status=500),
         authn=PLUGIN, source=RoleCredentials.URI),
    Case(CREDENTIAL, UNAVAILABLE, "no_sts", change=fault("sts", status=503), authn=PLUGIN,
         source=RoleCredentials.OIDC),
    Case(CREDENTIAL, UNAVAILABLE, "role_not_assumed",
         {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "{folder}/workload-token"}, authn=PLUGIN,
         source=RoleCredentials.OIDC),
    Case(CREDENTIAL, UNAVAILABLE, "no_request_yet",
         NO_KEY | {"FC_REGION": "cn-hangzhou", "FC_CREDENTIALS_FROM_HEADERS": "true"}, authn=PLUGIN),
    Case(OWN, REFUSED, "ram_policy", change=policy("Deny"), authn=PLUGIN),
    Case(OWN, REFUSED, "sts_expired", change=lambda sandbox: sandbox.cloud.execution_role.expire(),
         authn=PLUGIN),
    Case(OWN, REFUSED, "clock", clock=7200, authn=PLUGIN),
    Case(OWN, REFUSED, "unknown_application", change=policy("Allow"), configuration={"clientId": "app_x"},
         authn=PLUGIN),
    Case(OWN, REFUSED, "access_key_refused", {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "x"}, authn=PLUGIN),
    Case(OWN, "idaas_unreachable", "name_unknown", configuration={"openApiEndpoint": "eiam.invalid"},
         authn=PLUGIN),
    Case(OWN, REFUSED, "another_instance", configuration={"idaasInstanceId": "idaas_x"}, authn=PKCS7),
    Case(OWN, REFUSED, "document_refused", change=setting(ecs_instance_id="i-other"), authn=PKCS7),
    Case(OWN, REFUSED, "workload_token_refused",
         {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "{folder}/workload-token-sts"}, authn=OIDC),
    Case(OWN, REFUSED, "certificate_refused", change=setting(agent_certificate_revoked=True), authn=PCA),
    Case(LLM, "token_exchange_failed", "subject_token_not_read", HUMAN,
         setting(openapi_form_parameters=False), token={}, authn=PLUGIN),
]  # fmt: skip
"""Faults of client authentication, by method."""

CASES = [
    Case("configuration", "settings_invalid", "settings_invalid", {"AGENT_SCOPE": ""}),
    Case("configuration", "sdk_config_unreadable", "sdk_config_unreadable",
         {"CLOUD_IDAAS_CONFIG_PATH": "/nowhere"}),
    Case("configuration", "policy_invalid", "policy_invalid", {"POLICY_FILE": "{folder}/text.db"}),
    Case("policy", "policy_unavailable", "policy_unavailable", {"POLICY_URL": "http://127.0.0.1:1/"}),
    Case("audit log", "audit_unavailable", "audit_unavailable", {"AUDIT_LOG_FILE": "{loop}"}),
    Case("revocations", "revocations_unavailable", "revocations_unavailable", {"REVOCATIONS_FILE": "{loop}"}),
    Case("conversations", "conversations_unavailable", "conversations_unavailable",
         {"CONVERSATIONS_URL": "sqlite:///{loop}"}),
    Case("conversations", "conversations_unavailable", "damaged",
         {"CONVERSATIONS_URL": "sqlite:///{folder}/text.db"}),
    Case("conversations", "conversations_unavailable", "another_program",
         {"CONVERSATIONS_URL": "sqlite:///{folder}/other.db"}),
    Case("conversations", "conversations_clear_allowed", "conversations_clear_allowed",
         {"CONVERSATIONS_URL": "sqlite:///{folder}/sealed.db",
          "CONVERSATIONS_KEY_FILE": "{folder}/clear-allowed"}),
    Case("conversations", "conversations_key_missing", "conversations_key_missing",
         {"CONVERSATIONS_URL": "sqlite:///{folder}/under-another-key.db"}),
    Case("conversations", "conversations_schema_unknown", "conversations_schema_unknown",
         {"CONVERSATIONS_URL": "sqlite:///{folder}/newer.db"}),
    Case("conversations", "conversations_unavailable", "no_response",
         {"CONVERSATIONS_URL": "postgresql://agent:sesame@localhost:1/conversations"}),
    Case("conversations", "conversations_unavailable", "name_unknown",
         {"CONVERSATIONS_URL": "postgresql://agent:sesame@db.invalid/conversations"}),
    Case("shared counters", "redis_unavailable", "refused", {"REDIS_URL": "redis://:sesame@localhost:1"}),
    Case("shared counters", "redis_unavailable", "no_redis",
         {"REDIS_URL": "redis://:sesame@localhost:{plain_port}"}),
    Case(KEYS, "jwks_unavailable", "certificate_not_trusted", {"SSL_CERT_FILE": ""}),
    Case(KEYS, "jwks_unavailable", "certificate_expired",
         change=fault("idaas.jwks", expired_certificate=True)),
    Case(KEYS, "jwks_unavailable", "certificate_of_another_name",
         {"JWKS_ENDPOINT": "https://127.1:{idaas_port}/jwks"}),
    Case(KEYS, "jwks_unavailable", "refused", {"JWKS_ENDPOINT": closed("/jwks")}),
    Case(KEYS, "jwks_unavailable", "no_tls", {"JWKS_ENDPOINT": "https://localhost:{plain_port}/jwks"}),
    Case(KEYS, "jwks_unavailable", "no_such_address", {"JWKS_ENDPOINT": "{issuer}/nothing"}),
    Case(KEYS, "jwks_unavailable", "no_jwks", {"JWKS_ENDPOINT": "{issuer}/.well-known/openid-configuration"}),
    Case(KEYS, "jwks_unavailable", "service_down", change=fault("idaas.jwks", status=500)),
    Case(KEYS, "jwks_unavailable", "cut", change=fault("idaas.jwks", drop=True)),
    Case(OWN, "idaas_unreachable", "refused", configuration={"tokenEndpoint": "localhost:1/token"}),
    Case(OWN, "idaas_unreachable", "service_down", change=fault("idaas.token", status=503, retry_after=60)),
    Case(OWN, "idaas_unreachable", "not_idaas", change=fault("idaas.token", redirect="https://localhost/")),
    Case(OWN, "idaas_unreachable", "clock", clock=7200),
    Case(OWN, "client_authentication_failed", "client_authentication_failed", {"IDAAS_CLIENT_SECRET": "x"}),
    Case(OWN, "machine_token_failed", "no_credential_store",
         change=lambda sandbox: [sandbox.cloud.directory.revoke(AGENT, PAM_AUDIENCE, permission)
                                 for permission in sandbox.cloud.directory.resource_servers[PAM_AUDIENCE]
                                 .permissions]),
    Case(ISSUED, "access_token_invalid", "another_issuer", configuration={"issuer": "other.example"}),
    Case(ISSUED, "access_token_invalid", "another_jwks", {"JWKS_ENDPOINT": "{other_jwks}"}),
    Case(ISSUED, "access_token_invalid", "clock", clock=-600),
    Case(USER, "access_token_invalid", "expired", HUMAN, token={"exp": 1_000_000_000}),
    Case(USER, "access_token_invalid", "another_audience", HUMAN, token={"audience": ENTERPRISE_AUDIENCE}),
    Case(USER, "access_token_invalid", "another_issuer", HUMAN, token={"iss": "https://other.example"}),
    Case(USER, "access_token_invalid", "another_jwks", HUMAN, token={"header": {"kid": "other"}}),
    Case(USER, "access_token_invalid", "clock", HUMAN, token={"iat": 9_000_000_000}),
    Case(USER, "access_token_invalid", "no_token", HUMAN, token={"header": {"typ": "secevent+jwt"}}),
    Case(USER, "insufficient_scope", "insufficient_scope", HUMAN, token={"permissions": ("other",)}),
    Case(LLM, "llm_api_key_unavailable", "unknown_identifier", {"LLM_API_KEY_IDENTIFIER": "none"}),
    Case(LLM, "llm_api_key_unavailable", "not_granted", change=no_reader("llm_api_key", AGENT)),
    Case(LLM, "llm_api_key_unavailable", "no_permission",
         change=revoked(AGENT, PAM_AUDIENCE, "credential:obtain")),
    Case(LLM, "llm_api_key_unavailable", "unknown_instance", configuration={"idaasInstanceId": "idaas_x"}),
    Case(LLM, "idaas_unreachable", "refused", configuration={"developerApiEndpoint": "localhost:1"}),
    Case(LLM, "idaas_unreachable", "service_down",
         change=fault("developer_api", status=503, retry_after=60)),
    Case(AMAP, "external_api_key_unavailable", "unknown_identifier",
         {"EXTERNAL_SERVER_API_KEY_IDENTIFIER": "none"}),
    Case(AMAP, "external_api_key_unavailable", "not_granted", HUMAN, no_reader("amap_api_key", ALICE),
         token={}),
    Case(ENTERPRISE, "machine_token_failed", "not_granted", {"ENTERPRISE_SERVICE_SCOPE": "https://no|x"}),
    Case(LLM, "user_token_refused", "token_not_exchanged", HUMAN, exchanged_too_often, token={}),
    Case(LLM, "agent_exchange_refused", "no_exchange", HUMAN, without_exchange, token={}),
    Case(ENTERPRISE, "token_exchange_failed", "not_granted", HUMAN,
         revoked(ALICE, ENTERPRISE_AUDIENCE, "service.invoke"), token={}),
    Case(LLM, "token_exchange_failed", "user_disabled", HUMAN,
         lambda sandbox: sandbox.cloud.directory.disabled.add(ALICE), token={}),
    Case("model", "model_call_failed", "key_refused", {"LLM_API_KEY_IDENTIFIER": "amap_api_key"}),
    Case("model", "model_call_failed", "no_such_model", {"LLM_MODEL": "none"}),
    Case("model", "model_call_failed", "no_such_address", {"LLM_BASE_URL": "{model_studio}/nothing"}),
    Case("model", "model_call_failed", "refused", {"LLM_BASE_URL": closed("/v1")}),
    Case("model", "model_call_failed", "service_down", change=fault("model_studio", status=503)),
    Case("model", "model_call_failed", "too_slow", {"MODEL_TIMEOUT_SECONDS": "0.1"},
         fault("model_studio", hang=True)),
    Case("service amap", "external_service_failed", "key_refused",
         {"EXTERNAL_SERVER_API_KEY_IDENTIFIER": "llm_api_key"}),
    Case("service amap", "external_service_failed", "no_such_address",
         {"EXTERNAL_SERVER_URL": "{model_studio}/api/v1/mcps/none/mcp"}),
    Case("service amap", "external_service_failed", "refused", {"EXTERNAL_SERVER_URL": closed("/mcp")}),
    Case("service amap", "external_service_failed", "service_down", change=fault("amap", status=500)),
    Case("service enterprise", "enterprise_jwt_rejected", "enterprise_jwt_rejected",
         change=lambda sandbox: sandbox.cloud.keys.rotate(overlap=False)),
    Case("service enterprise", "enterprise_service_failed", "token_refused",
         {"ENTERPRISE_SERVICE_SCOPE": f"{PAM_AUDIENCE}|credential:obtain"}),
    Case("service enterprise", "enterprise_service_failed", "no_such_address",
         {"ENTERPRISE_SERVICE_URL": "{function_compute}/nothing"}),
    Case("service enterprise", "enterprise_service_failed", "refused",
         {"ENTERPRISE_SERVICE_URL": closed("/")}),
    Case("service enterprise", "enterprise_service_failed", "redirected",
         change=fault("function_compute", redirect="https://localhost/")),
    Case("service enterprise", "enterprise_service_failed", "service_down",
         change=fault("function_compute", status=500)),
    Case("service leave", "service_failed", "refused", HUMAN | {"LEAVE_SERVICE_URL": closed("/")}, token={}),
    *CLIENT_CASES,
]  # fmt: skip
