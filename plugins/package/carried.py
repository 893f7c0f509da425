"""The operator's part of a deployment: variables, the files that they name, own code.

Nothing is left out silently: what cannot be carried is a fault, until the operator chooses another value.
"""

import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path, PurePosixPath
from typing import Final

from agent.api.question_source import ENTRY_POINTS as SOURCES
from agent.api.surface import ENTRY_POINTS as SURFACES
from agent.composition.installed_policies import ENTRY_POINTS as POLICIES
from agent.composition.question_listeners import ENTRY_POINTS as LISTENERS
from agent.one_package import PACKAGE
from agent.settings.declared_services import ENTRY_POINTS as SERVICES
from agent.settings.plugin_variables import ENTRY_POINTS as VARIABLES_GROUP
from agent.settings.settings import Settings, read_settings, variables
from agent.settings.variables.model import langchain_name
from graph.models.named_chat_model import module_of
from identity.errors import ConfigurationError
from identity.settings.values import holds
from plugins.package.parts import PackagingError
from plugins.package.trial import UNLOCKED, import_faults, module_fault, normal_name, start_faults, texts_in

PORT: Final = 9002
_CARRIED: Final = {
    "ACCEPTED_TOOLS_FILE": "accepted-tools.json",
    "POLICY_FILE": "policy.cedar",
    "SERVICES_FILE": "services.toml",
    "SSL_CERT_FILE": "certificates.pem",
    "SYSTEM_PROMPT_FILE": "system-prompt.md",
}
"""Variables that name a file: the file goes along, under this name."""
_PROXIES: Final = frozenset({"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"})
_SECRET: Final = re.compile(
    r"REDIS_URL|OTEL_EXPORTER_OTLP_(\w+_)?HEADERS|ALIBABA_CLOUD_(ACCESS_KEY|SECURITY|CREDENTIALS)\w+"
)
_OF_CLIENT: Final = frozenset({"ENV_PRIVATE_KEY", "IDAAS_CLIENT_SECRET"})
"""Variables that the vendor's SDK reads for a method with a secret."""
_FILE: Final = re.compile(r"\w+_FILE|OTEL_EXPORTER_OTLP_\w*(CERTIFICATE|KEY)")
_LOCKED: Final = re.compile(
    r"^(?:[^\s#=]*/)?([A-Za-z0-9][A-Za-z0-9._-]*?)(?:-\d[^\s/]*\.whl|\s*(?:==|@))", re.MULTILINE
)
_WHEEL: Final = re.compile(r"^(?!/)([^\s#:]+\.whl)\b", re.MULTILINE)
VARIABLES: Final = "agent.env"


@dataclass(frozen=True, slots=True)
class Form:
    """A form of deployment. In `folder` the deployed agent finds the files of the operator."""

    folder: str
    variables: Mapping[str, str]
    """Set by the form, unless the operator sets them."""
    elsewhere: tuple[str, ...]
    """Beginnings of variables that the platform, the image, the unit or the manifest sets."""


AGENTRUN: Final = Form(
    "/code/own",
    {
        "AGENT_HOST": "0.0.0.0",  # noqa: S104 - the platform's gateway is in front
        "AGENT_PORT": str(PORT),
        "CLOUD_IDAAS_CONFIG_PATH": "/code/client-config.json",
        "CONVERSATIONS_URL": "none",  # an instance's files end with it, and are missing in the others
    },
    (
        *("AGENT_HOST", "AGENT_PORT", "CLOUD_IDAAS_CONFIG_PATH"),
        # The credential of the execution role among them.
        *("ALIBABA_CLOUD_", "ECS_METADATA_", "FC_REGION"),
    ),
)


TREE: Final = Form(
    "/opt/idaas-agent/own",
    {},
    ("AGENT_HOST", "AGENT_PORT", "CLOUD_IDAAS_CONFIG_PATH", "IDAAS_CLIENT_SECRET_FILE"),
)
"""`deploy/container/install.sh` installs it: the container image, and the tree of the systemd unit."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The operator's configuration here, and the changes for the deployment."""

    settings: Settings
    """The settings of the deployed agent (`settings_there`)."""
    environment: Mapping[str, str]
    lock: Path
    """The agent's locked dependencies."""
    own_lock: Path | None = None
    """The locked packages of the operator, which may name wheels by paths relative to this file."""
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Values of variables there, in place of the present ones. One without a value is not set there."""
    of_file: Collection[str] = ()
    """The names in the file of variables. Each is a variable that is carried, or a fault."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The variables of the deployed agent, and the files of its folder by their names there."""

    variables: Mapping[str, str]
    files: Mapping[str, bytes]
    packages: Mapping[str, bytes]
    """The lock file of own packages, and their wheels: for a deployment that installs them itself."""
    faults: Sequence[str]
    """Why something cannot be carried."""


def carried(configuration: Configuration, form: Form) -> Carried:
    """The part of `configuration` that goes into a deployment of `form`."""
    settings = configuration.settings
    known_names = variables()
    chosen = configuration.chosen
    of_operator = dict(form.variables)
    faults: list[str] = []
    paths: dict[str, Path] = {}
    for name in sorted(configuration.environment):
        value = configuration.environment[name].strip()
        of_agent = name in known_names or name.startswith("OTEL_")
        passed_by = not of_agent and name not in configuration.of_file
        if not value or passed_by or name in chosen or name.startswith(form.elsewhere):
            continue
        if name in _CARRIED:
            if name != "ACCEPTED_TOOLS_FILE" or Path(value).exists():  # nothing has been accepted yet
                paths[_CARRIED[name]] = Path(value)
                of_operator[name] = f"{form.folder}/{_CARRIED[name]}"
        elif name in _OF_CLIENT:
            faults.append(
                f"{name} is the secret of the agent's client, which no package contains, and which"
                f" authnMethod PLUGIN, PKCS7 or OIDC does not need: --set {name}= leaves it out"
            )
        elif fault := _fault(name, value, of_agent or name in _PROXIES):
            faults.append(f"{name} {fault}: --set {name}=VALUE sets another value there, --set {name}= none")
        else:
            of_operator[name] = value
    for name, value in chosen.items():
        if value and (name not in known_names or _contains_secret(name, value)):
            faults.append(f"--set {name} must name a variable of the agent, and no value with a secret")
        of_operator[name] = value
    if settings.graph and ".py:" in of_operator.get("GRAPH", ""):
        of_operator["GRAPH"] = f"{form.folder}/{settings.graph}"
    paths |= _code(settings, faults)
    files = {name: _content(path, faults) for name, path in paths.items()}
    packages = _own_packages(configuration, files, faults)
    if not faults:
        read = partial(settings_there, configuration.environment, configuration.chosen, form)
        faults += start_faults(read)
    set_variables = {name: value for name, value in sorted(of_operator.items()) if value}
    return Carried(set_variables, files, packages, faults)


def settings_there(environment: Mapping[str, str], chosen: Mapping[str, str], form: Form) -> Settings:
    """The settings of the agent that is deployed with `environment` and the `chosen` values, as far as this
    machine can know them.

    A value there that names a file or has a secret is, here, the one of `environment`. If there is none, or
    its file is not here, the variable counts as set, and has its default. The client's secret may be missing.
    Raises `ConfigurationError`.
    """
    known_names = variables()
    values = {**form.variables, **environment}
    unread = set()
    for name, value in chosen.items():
        present = environment.get(name, "").strip()
        if value and _fault(name, value, is_known=True):
            values[name] = "" if present == "none" else present
            if not present:
                unread.add(name)
        elif value or not (present and _fault(name, present, name in known_names)):
            values[name] = value
    for name in form.variables:
        if name.startswith(form.elsewhere):
            values[name] = environment.get(name, "")
    for name in values.keys() & known_names.keys():
        if _is_file_elsewhere(name, values[name]):
            unread.add(name)
    if "AUDIT_LOG_FILE" in unread:  # of records that are required, no log is made without a destination
        unread.remove("AUDIT_LOG_FILE")
        values["AUDIT_LOG_FILE"] = "-"
    return read_settings(values, serves=False, unread=unread)


def _is_file_elsewhere(name: str, value: str) -> bool:
    """Whether a variable names a file that is not here, and need not go along."""
    is_file = _FILE.fullmatch(name) is not None and name not in _CARRIED
    return is_file and value.strip() not in ("", "-") and not holds(Path(value.strip()).expanduser().is_file)


def _contains_secret(name: str, value: str) -> bool:
    if name in _PROXIES or name == "CONVERSATIONS_URL":
        return "@" in value or "password=" in value
    return bool(_SECRET.fullmatch(name))


def _fault(name: str, value: str, is_known: bool) -> str | None:
    if not is_known:
        return "is no variable of the agent"
    if _contains_secret(name, value):
        return "contains a secret"
    if (_FILE.fullmatch(name) and value != "-") or value.startswith("sqlite:"):
        return "names a file of this machine"
    return None


def _code(settings: Settings, faults: list[str]) -> dict[str, Path]:
    """The files of `python = "payroll.py:service"` in SERVICES_FILE, and of GRAPH, by their names there."""
    code = {}
    for place, module in _references(settings):
        if module.endswith(".py"):
            path = PurePosixPath(module)
            if path.is_absolute() or ".." in path.parts:
                faults.append(f"{place} must name a file in the folder of SERVICES_FILE, found {module}")
            else:
                code[str(path)] = settings.own_code / path
    return code | _named_by_graph(settings, code)


def _named_by_graph(settings: Settings, code: Mapping[str, Path]) -> dict[str, Path]:
    """The files beside the module of GRAPH that it names as texts, such as `"services.toml"`."""
    module = (settings.graph or "").partition(":")[0]
    if module not in code:
        return {}
    named = {}
    for name in texts_in(code[module]):
        path = PurePosixPath(module).parent / name
        is_beside = not PurePosixPath(name).is_absolute() and ".." not in path.parts
        if is_beside and holds((settings.own_code / path).is_file):
            named[str(path)] = settings.own_code / path
    return named


def _references(settings: Settings) -> Iterable[tuple[str, str]]:
    """The code that the settings name: where, and its module or file."""
    for name, declaration in settings.services.items():
        if reference := getattr(declaration, "python", None):
            yield f"SERVICES_FILE: services.{name}.python", reference.partition(":")[0]
    if settings.graph:
        yield "GRAPH", settings.graph.partition(":")[0]
    provider = langchain_name(settings.llm_provider)
    if provider is not None:
        with suppress(ConfigurationError):  # the start says so
            yield "LLM_PROVIDER", module_of(provider, settings.llm_model)
    if ":" in settings.llm_provider:
        yield "LLM_PROVIDER", settings.llm_provider.partition(":")[0]


def _content(path: Path, faults: list[str]) -> bytes:
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        faults.append(f"{path} cannot be read: {error.strerror}")
        return b""
    if b"PRIVATE KEY-----" in content:
        faults.append(f"{path} contains a private key")
    return content


def _own_packages(
    configuration: Configuration, files: Mapping[str, bytes], faults: list[str]
) -> dict[str, bytes]:
    """The operator's lock file, and the wheels that it names. An own package that no lock has is a fault, and
    so is one that the own code in `files` imports.
    """
    own = configuration.own_lock
    text = _content(own, faults).decode("utf-8", "replace") if own else ""
    names = _LOCKED.findall(f"{configuration.lock.read_text('utf-8')}\n{text}")
    locked = set(map(normal_name, names))
    used = {
        f'entry point "{entry.name}"': entry.dist.name if entry.dist else entry.module
        for entry in _own_entry_points()
    }
    faults += [
        f"{place} is of the package {package}, {UNLOCKED}"
        for place, package in used.items()
        if normal_name(package) not in locked
    ]
    for place, reference in _references(configuration.settings):
        module = reference.partition(".")[0]
        if reference.endswith(".py") or module == PACKAGE:
            continue
        if place == "GRAPH" and (configuration.settings.own_code / f"{module}.py").is_file():
            attribute = (configuration.settings.graph or "").partition(":")[2]
            faults.append(f"GRAPH must name the file, which goes along then: GRAPH={module}.py:{attribute}")
        elif fault := module_fault(module, locked):
            faults.append(f"{place} names {fault}")
    sources = {name: content for name, content in files.items() if name.endswith(".py")}
    faults += import_faults(sources, locked)
    if own is None:
        return {}
    wheels = [wheel for wheel in _WHEEL.findall(text) if ".." not in PurePosixPath(wheel).parts]
    files = {str(PurePosixPath(wheel)): _content(own.parent / wheel, faults) for wheel in wheels}
    return files | {"requirements.lock": text.encode()}


def _own_entry_points() -> list[EntryPoint]:
    """The entry points that installed packages of the operator add."""
    groups = (SERVICES, SURFACES, POLICIES, LISTENERS, SOURCES, VARIABLES_GROUP)
    entries = [entry for group in groups for entry in entry_points(group=group)]
    return [
        entry
        for entry in entries
        if entry.dist is None or normal_name(entry.dist.name) != normal_name(PACKAGE)
    ]


def package_tree(configuration: Configuration, folder: Path) -> None:
    """Writes the own files and `agent.env`, their variables, into `folder`, in place of an earlier call's.

    None of the files contains a secret. Raises `PackagingError` with every fault before anything is written.
    """
    deployment = carried(configuration, TREE)
    faults = list(deployment.faults)
    faults += [
        f"{name} must not contain a line break"
        for name, value in deployment.variables.items()
        if "\n" in value
    ]
    if folder.exists() and not (folder / VARIABLES).is_file():
        faults.append(f"{folder} exists, and is not of an earlier call")
    if faults:
        raise PackagingError(faults)
    shutil.rmtree(folder, ignore_errors=True)
    text = "".join(f"{name}={value}\n" for name, value in deployment.variables.items())
    for name, content in {**deployment.files, **deployment.packages, VARIABLES: text.encode()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
