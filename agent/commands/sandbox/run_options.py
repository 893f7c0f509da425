"""The options of the commands that run the sandbox: `up` and `sandbox`. Needs the sandbox's package."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.options import DEFAULT_FOLDER, FOLDER
from agent.commands.sandbox.sandbox_file import CONFIG, chosen_file
from sandbox.authn_method import AuthnMethod, RoleCredentials

if TYPE_CHECKING:
    from sandbox.server.server import SandboxOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class SandboxRunOptions:
    """Ports, client authentication and files of a sandbox that a command runs."""

    page_port: Annotated[int, typer.Option(envvar="PAGE_PORT", help="Port of the page.")] = 9001
    idaas_port: Annotated[int, typer.Option(envvar="SANDBOX_IDAAS_PORT", help="Port of IDaaS, TLS.")] = 9443
    idaas_plain_port: Annotated[
        int, typer.Option(envvar="SANDBOX_IDAAS_PLAIN_PORT", help="Port of IDaaS for the browser, HTTP.")
    ] = 9400
    model_studio_port: Annotated[
        int, typer.Option(envvar="SANDBOX_MODEL_STUDIO_PORT", help="Port of Model Studio and MCP, TLS.")
    ] = 9444
    function_compute_port: Annotated[
        int, typer.Option(envvar="SANDBOX_FUNCTION_COMPUTE_PORT", help="Port of Function Compute, TLS.")
    ] = 9445
    authn: Annotated[
        AuthnMethod, typer.Option(envvar="SANDBOX_AUTHN", help="How the agent authenticates to IDaaS.")
    ] = AuthnMethod.CLIENT_SECRET_POST
    role_credentials: Annotated[
        RoleCredentials,
        typer.Option(
            envvar="SANDBOX_ROLE_CREDENTIALS",
            help="With PLUGIN: where the agent finds the credentials of its execution role.",
        ),
    ] = RoleCredentials.ENVIRONMENT
    folder: FOLDER = DEFAULT_FOLDER
    config: CONFIG = None

    def page_origins(self) -> tuple[str, str]:
        """The origins of the page, by either name of this machine."""
        return f"http://localhost:{self.page_port}", f"http://127.0.0.1:{self.page_port}"

    def sandbox_options(self, variables: Mapping[str, str], host: str = "127.0.0.1") -> "SandboxOptions":
        """The sandbox's own options. Stops the command if the file of `--config` does not exist."""
        from sandbox.server.server import SandboxOptions

        return SandboxOptions(
            folder=self.folder,
            host=host,
            idaas_port=self.idaas_port,
            idaas_plain_port=self.idaas_plain_port,
            model_studio_port=self.model_studio_port,
            function_compute_port=self.function_compute_port,
            page_origins=self.page_origins(),
            config=chosen_file(self.config),
            variables=variables,
            authn=self.authn,
            role_credentials=self.role_credentials,
        )
