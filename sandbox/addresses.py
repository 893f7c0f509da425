"""Where the parts of the sandbox answer. The paths are those of the real services."""

from dataclasses import dataclass

INSTANCE = "idaas_sandbox01"
SYNCHRONIZED_APPLICATION = "app_sync01"
"""The application whose account synchronization reports user events."""
PROVISIONING_PATH = f"/v2/{INSTANCE}/{SYNCHRONIZED_APPLICATION}/provisioning"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Origins (scheme, host, port) of the listeners, and the URLs that follow from them.

    The issuer and everything that SDKs call is under `idaas`, over TLS. `idaas_plain` serves the same on a
    loopback port without TLS, for the browser, which does not know the sandbox's certificate authority.
    """

    idaas: str = "https://localhost:9443"
    idaas_plain: str = "http://localhost:9400"
    model_studio: str = "https://localhost:9444"
    function_compute: str = "https://localhost:9445"
    page_origins: tuple[str, ...] = ("http://localhost:9001", "http://127.0.0.1:9001")

    @property
    def issuer(self) -> str:
        return f"{self.idaas}/api/v2/iauths_system/oauth2"

    @property
    def token_endpoint(self) -> str:
        return f"{self.issuer}/token"

    @property
    def jwks(self) -> str:
        return f"{self.issuer}/jwks"

    @property
    def discovery(self) -> str:
        return f"{self.issuer}/.well-known/openid-configuration"

    @property
    def authorize(self) -> str:
        return f"{self.idaas}/login/app/common/oauth2/authorize"

    @property
    def logout(self) -> str:
        return f"{self.idaas}/login/app/common/oauth2/logout"

    @property
    def developer_api(self) -> str:
        """Host and port without a scheme, as the SDK configuration has it."""
        return self.idaas.removeprefix("https://")

    @property
    def obtain_credential(self) -> str:
        return f"{self.idaas}/v2/{INSTANCE}/credentials/_/actions/obtain"

    @property
    def provisioning_jwks(self) -> str:
        """The keys that sign user events."""
        return f"{self.idaas}{PROVISIONING_PATH}/jwks"

    @property
    def llm_base_url(self) -> str:
        return f"{self.model_studio}/compatible-mode/v1"

    @property
    def amap_url(self) -> str:
        return f"{self.model_studio}/api/v1/mcps/amap-maps/mcp"

    @property
    def enterprise_url(self) -> str:
        return f"{self.function_compute}/enterprise"

    @property
    def leave_url(self) -> str:
        return f"{self.function_compute}/leave"

    @property
    def bucket_url(self) -> str:
        """The bucket that credentials of a cloud role may read."""
        return f"{self.function_compute}/bucket/reports"

    @property
    def calendar_url(self) -> str:
        """The calendar of another company, which takes tokens of its own."""
        return f"{self.function_compute}/calendar"

    def echo_url(self, service: str) -> str:
        """Where the echo service answers for a service of `sandbox.toml`."""
        return f"{self.function_compute}/echo/{service}"

    @property
    def workload_issuer(self) -> str:
        """The cluster's issuer of workload tokens (OIDC federation)."""
        return f"{self.idaas}/cluster"

    @property
    def ecs_metadata(self) -> str:
        """The metadata service, at 100.100.100.200 on a real machine."""
        return self.idaas_plain

    @property
    def credentials_uri(self) -> str:
        """Where `ALIBABA_CLOUD_CREDENTIALS_URI` leads: the execution role's credentials."""
        return f"{self.idaas_plain}/ram/credentials"

    @property
    def openapi(self) -> str:
        """Host and port of OpenAPI (eiam and sts), without a scheme."""
        return self.idaas.removeprefix("https://")

    @property
    def page_redirect_uris(self) -> tuple[str, ...]:
        return tuple(f"{origin}/" for origin in self.page_origins)
