"""The options of the commands that run the sandbox, its file, and the configuration of its page.

Needs the package `sandbox`.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, get_type_hints

import typer

from agent.commands.terminal import stop
from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.commands.company import PEOPLE

if TYPE_CHECKING:
    from sandbox.addresses import Addresses
    from sandbox.configuration.configuration import ConfigurationFaultsError
    from sandbox.server.server import SandboxOptions

FOLDER = Annotated[Path, typer.Option("--folder", help="The folder of the sandbox's files.")]
DEFAULT_FOLDER: Final = Path(".sandbox")
_DEFAULT = Path("sandbox.toml")
CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="SANDBOX_CONFIG",
        help="File with additions to the sandbox; sandbox.toml by default.",
    ),
]


def with_options(options: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: each field of the dataclass `options` is an option of the Typer command.

    The command receives them as one argument, `options`, which must be its last parameter.
    """
    hints = get_type_hints(options, include_extras=True)
    fields = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(options)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[:-1]

        @wraps(command)
        def expanded(**given: Any) -> None:  # noqa: ANN401 - Typer's values
            values = {field.name: given.pop(field.name) for field in fields}
            command(**given, options=options(**values))

        parameters = [*own, *fields]
        expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # `inspect` reads it
        expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return expanded

    return decorate


def chosen_file(config: Path | None, *, new: bool = False) -> Path:
    """The file that `--config` names, which must exist unless `new`; else `sandbox.toml`, even if missing."""
    if config is not None and not new and not config.is_file():
        stop(f"there is no file {str(config)!r}", "idaas-agent sandbox user add creates one")
    return config or _DEFAULT


def stop_with_faults(file: Path | None, error: "ConfigurationFaultsError") -> NoReturn:
    """Prints every fault with the file's name; ends the command with exit status 1."""
    faults = (f"{file or _DEFAULT}: {fault}" for fault in error.faults)
    stop("\n".join(faults), "sandbox/README.md shows a whole sandbox.toml")


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

        given = {name: value for name, value in vars(self).items() if name != "page_port"}
        given |= {"config": chosen_file(self.config), "page_origins": self.page_origins(), "people": PEOPLE}
        return SandboxOptions(**given, host=host, variables=variables)


class PageGrant(StrEnum):
    """How the page signs in."""

    CODE = "code"
    """Authorization code with PKCE, and an ID token whose nonce is checked."""
    IMPLICIT = "implicit"
    """The vendor tutorial's implicit grant, with exactly its five keys."""


def sandbox_page_config(
    addresses: "Addresses", grant: PageGrant, *, agent_url: str, scope: str
) -> dict[str, str]:
    """The page's configuration. Everything in it is public.

    `scope` is the agent's, `audience|permission`. The browser uses the plain port of IDaaS, because it does
    not trust the sandbox's certificate authority; the issuer is the one in the tokens.
    """
    from sandbox.state.directory import PAGE

    sign_in = f"{addresses.idaas_plain}/login/app/common/oauth2"
    five_keys = {
        "API_URL": agent_url,
        "IDAAS_AUTHORIZE_ENDPOINT": f"{sign_in}/authorize",
        "IDAAS_LOGOUT_ENDPOINT": f"{sign_in}/logout",
        "CLIENT_ID": PAGE,
        "SCOPE": scope,
    }
    if grant is PageGrant.IMPLICIT:
        return five_keys
    return five_keys | {
        "SCOPE": f"openid {scope}",
        "RESPONSE_TYPE": "code",
        "TOKEN_ENDPOINT": addresses.token_endpoint.replace(addresses.idaas, addresses.idaas_plain, 1),
        "ISSUER": addresses.issuer,
    }
