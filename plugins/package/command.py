"""`idaas-agent package` and `trigger-jwks`: what is needed to deploy, without a secret in it."""

import json
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from agent.commands.help_panels import RUN, listed_in
from agent.commands.terminal import (
    ENV_FILE,
    EnvFiles,
    environment,
    err,
    operator_settings,
    out,
    settings_or_stop,
    stop,
    variables_in,
)
from agent.settings.settings import Settings
from plugins.package import enterprise_service as enterprise
from plugins.package.agentrun import AgentRunOptions, package_agentrun
from plugins.package.carried import AGENTRUN, TREE, Configuration, Form, package_tree, settings_there
from plugins.package.parts import PackagingError, install_dependencies

app = typer.Typer(
    rich_help_panel=RUN, help="Deployment packages: agentrun, tree, enterprise-service.", no_args_is_help=True
)

_ROOT: Final = Path(__file__).resolve().parents[2]
_Python = Annotated[str, typer.Option(help="Python of the platform's image.")]
_Region = Annotated[str, typer.Option(help="The region of the platform.")]
_Wheels = Annotated[Path | None, typer.Option(help="A folder of wheels to install, instead of downloads.")]
_Lock = Annotated[Path, typer.Option(help="The locked dependencies.")]
_OwnLock = Annotated[
    Path | None,
    typer.Option(
        "--requirements", help="A lock file of your own packages, with hashes. It may name wheels beside it."
    ),
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A variable there. Without a value, it is not set."),
]


@app.command()
def agentrun(
    name: Annotated[str, typer.Option(help="The name of the agent runtime.")] = "idaas-agent",
    region: _Region = "cn-hangzhou",
    role: Annotated[str | None, typer.Option(help="The execution role.")] = None,
    account: Annotated[str | None, typer.Option(help="The account's id, for the page's config.js.")] = None,
    python: _Python = "3.12",
    folder: Annotated[Path, typer.Option("--out", help="Where to write.")] = Path("build/agentrun"),
    lock: _Lock = _ROOT / "requirements.lock",
    requirements: _OwnLock = None,
    wheels: _Wheels = None,
    sets: _Set = None,
    env_file: ENV_FILE = None,
) -> None:
    """Builds the package for AgentRun from the agent's variables, with your own tools and certificates.

    Writes code.zip, s.yaml, role-policy.json and the page's config.js.
    """
    configuration = _configuration(AGENTRUN, env_file, lock, requirements, sets)
    options = AgentRunOptions(name=name, region=region, role=role, python=python, account=account)
    locks = [lock, requirements] if requirements else [lock]
    install = partial(install_dependencies, locks, python=python, wheels=wheels)
    out.print("installing the dependencies for the platform …")
    _build(lambda: package_agentrun(configuration, options, folder, source=_ROOT, install=install), folder)
    out.print("next: attach role-policy.json to the execution role, then in that folder: s deploy")


@app.command()
def tree(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Where to write: deploy/container/own of the repository, or own in this folder."
        ),
    ] = None,
    lock: _Lock = _ROOT / "requirements.lock",
    requirements: _OwnLock = None,
    sets: _Set = None,
    env_file: ENV_FILE = None,
) -> None:
    """Collects your own tools, policies and certificates for the container image and the systemd tree.

    Writes them and agent.env, which has their places, where deploy/container/install.sh finds them; an
    installed wheel has no such folder, and writes to own.
    """
    configuration = _configuration(TREE, env_file, lock, requirements, sets)
    target = folder or tree_folder(_ROOT)
    _build(lambda: package_tree(configuration, target), target)
    out.print(f"next: {next_of_tree(_ROOT, target)}; and agent.env as the deployed variables")


def tree_folder(root: Path) -> Path:
    """Where the tree is written by default: beside the installer of the repository, never into a wheel."""
    container = root / "deploy" / "container"
    return container / "own" if container.is_dir() else Path("own")


def next_of_tree(root: Path, folder: Path) -> str:
    """The next step with the tree, by files that are there."""
    if (root / "deploy" / "container").is_dir():
        return "docker build, or deploy/container/install.sh"
    return (
        f"COPY {folder} /opt/idaas-agent/own in the Dockerfile of your image, such as that of idaas-agent new"
    )


@app.command()
def enterprise_service(
    name: Annotated[str, typer.Option(help="The name of the function.")] = "enterprise-service",
    region: _Region = "cn-hangzhou",
    python: _Python = "3.12",
    folder: Annotated[Path, typer.Option("--out", help="Where to write.")] = Path("build/enterprise-service"),
    wheels: _Wheels = None,
    env_file: ENV_FILE = None,
) -> None:
    """Builds the enterprise service for Function Compute; pastes the present JWKS into its JWT trigger."""
    settings = operator_settings(env_file)
    source = _ROOT / "deploy" / "enterprise-service"
    if not source.is_dir():
        stop("the enterprise service is not in the wheel", "run this command in a clone of the repository")
    options = enterprise.FunctionOptions(name=name, region=region, python=python)
    install = partial(install_dependencies, [source / "requirements.lock"], python=python, wheels=wheels)
    jwks = _fetched_jwks(settings)
    out.print("installing the dependencies for the platform …")
    build = partial(enterprise.package_enterprise_service, settings, jwks, options, folder)
    _build(partial(build, source=source, install=install), folder)
    out.print("next, in that folder: s deploy; then set ENTERPRISE_SERVICE_URL to the trigger's address")


@listed_in(RUN)
def trigger_jwks(
    deployed: Annotated[
        Path | None, typer.Option(help="An s.yaml whose trigger's keys are compared with IDaaS's.")
    ] = None,
    env_file: ENV_FILE = None,
) -> None:
    """Prints the JWKS to paste into the trigger.

    With --deployed: exit status 1 if that copy differs from the present keys.
    """
    import yaml

    try:
        present = enterprise.trigger_jwks(_fetched_jwks(operator_settings(env_file)))
        if deployed is None:
            typer.echo(json.dumps(present, indent=2))
            return
        document = yaml.safe_load(deployed.read_text("utf-8"))
        copy = enterprise.trigger_jwks(enterprise.deployed_jwks(document))
    except PackagingError as error:
        stop(str(error))
    except (OSError, ValueError, yaml.YAMLError):
        stop(f"{deployed} cannot be read as YAML")
    there = {key.get("kid"): key for key in copy["keys"]}
    here = {key.get("kid"): key for key in present["keys"]}
    if there == here:
        out.print("the deployed keys are IDaaS's present ones")
        return
    for kid in sorted(map(str, here.keys() - there.keys())):
        err.print(f"missing in the trigger: {kid}: tokens signed with it are refused")
    for kid in sorted(map(str, there.keys() - here.keys())):
        err.print(f"no longer IDaaS's: {kid}")
    stop(
        "the deployed keys are not IDaaS's present ones",
        "idaas-agent package enterprise-service, then s deploy",
    )


def _configuration(
    form: Form, env_file: EnvFiles, lock: Path, own_lock: Path | None, sets: list[str] | None
) -> Configuration:
    """The configuration to deploy: the variables that are set, and the changes by `--set`."""
    chosen = {}
    for assignment in sets or ():
        name, equals, value = assignment.partition("=")
        if not equals:
            stop(f"--set must have the form NAME=VALUE, found {name}")
        chosen[name] = value.strip()
    variables = environment(env_file)
    of_file = variables_in(env_file)
    read = partial(settings_there, chosen=chosen, form=form)
    settings = settings_or_stop(variables, env_file, read=read)
    return Configuration(settings, variables, lock, own_lock, chosen, tuple(of_file))


def _build(build: Callable[[], None], folder: Path) -> None:
    """Builds a package, and prints its files or its faults."""
    try:
        build()
    except PackagingError as error:
        stop("\n".join(error.faults))
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            size = f"  {path.stat().st_size / 1_048_576:.1f} MiB" if path.suffix == ".zip" else ""
            out.print(f"  {path}{size}")


def _fetched_jwks(settings: Settings) -> Any:  # noqa: ANN401 - whatever it contains
    """IDaaS's JWKS document."""
    tls = ssl.create_default_context(cafile=settings.ssl_cert_file)
    try:
        response = httpx.get(settings.jwks_url, timeout=10, verify=tls)
        response.raise_for_status()
        return response.json()
    except (httpx.HTTPError, ValueError) as error:
        stop(
            f"the JWKS cannot be fetched from {settings.jwks_url}: {type(error).__name__}",
            "idaas-agent doctor",
        )
