"""The agent's settings: every environment variable, checked at once, by name.

`read_settings` is the only code of the product that reads the environment. `docs/configuration.md` is
generated from the descriptions below.
"""

import re
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    ValidationError,
    model_validator,
)

from agent.error_codes import AgentCode
from agent.settings.authentication_sources import authentication_sources, client_faults
from agent.settings.faults import variable_faults
from agent.settings.former_names import with_present_names
from agent.settings.prompt_file import read_prompt_file
from agent.settings.role_variables import RoleVariables
from agent.settings.services_file import ServiceDeclaration, read_services_file
from agent.settings.values import TRUE, existing_file, holds
from agent.tracing import Tracing
from identity.access_identity import AccessIdentity
from identity.error_code import ErrorCode
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.idaas.configuration import DEFAULT_PATH, SdkConfiguration, read_sdk_configuration
from identity.idaas.role_credentials.request_headers import RequestHeaderRole
from identity.idaas.user_event import SubjectMember
from identity.idaas.user_event_reader import encryption_key
from identity.secret import Secret
from identity.transport.secure_url import is_secure_url

TOKEN_VARIABLE: Final = "IDAAS_AGENT_ACCESS_TOKEN"  # noqa: S105 - a variable's name
"""The variable of a user's access token, for commands that act as a user. The agent does not read it."""

_BEIJING: Final = "https://dashscope.aliyuncs.com"


def _secure_url(value: str) -> str:
    parts = urlsplit(value)
    if not is_secure_url(value) or "#" in value:
        raise ValueError("must be an https URL (http to a loopback address only), without user and fragment")
    return value.rstrip("/") if parts.path == "/" else value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or value != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ValueError("must list exact origins such as http://localhost:9001")
    return value


def _permission_of_audience(value: str) -> str:
    audience, bar, permission = value.partition("|")
    if not bar or not audience or not permission or "|" in permission or value.split() != [value]:
        raise ValueError("must have the form audience|permission")
    return value


def _redis_url(value: object) -> object:
    """Allows no query, because a query of a Redis URL can disable certificate verification."""
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        whole = parts.hostname is not None and parts.port is not None
    except ValueError:
        whole = False
    if not whole or parts.scheme not in ("redis", "rediss") or parts.query or parts.fragment:
        raise ValueError("must have the form redis://host:port or rediss://user:password@host:port/database")
    if find_spec("redis") is None:
        raise ValueError('needs the package "redis": pip install "idaas-agent[redis]"')
    return Secret(value)


def _file_to_write(value: Path) -> Path:
    if holds(value.is_dir) or not holds(value.parent.is_dir):
        raise ValueError("must name a file in a folder that exists")
    return value


def _secret_in_file(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        text = Path(value).read_text("ascii").strip()
    except (OSError, ValueError):
        text = ""
    if not text or not text.isprintable() or " " in text:
        raise ValueError("must name a readable file with one line of ASCII, without spaces")
    return Secret(text)


def _encryption_key(value: Secret) -> Secret:
    encryption_key(value)  # raises ValueError
    return value


def _prompt_in_file(value: object) -> object:
    return read_prompt_file(Path(value)) if isinstance(value, str) else value


class LlmProvider(StrEnum):
    """The kinds of API behind `LLM_BASE_URL` that the agent knows itself."""

    MODEL_STUDIO = "model_studio"
    OPENAI_COMPATIBLE = "openai_compatible"


def _provider(value: str) -> str:
    if value not in {*LlmProvider} and not _FUNCTION.fullmatch(value):
        raise ValueError("must be model_studio, openai_compatible or package.module:function")
    return value


_FUNCTION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def _listed(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


Url = Annotated[str, AfterValidator(_secure_url)]
Scope = Annotated[str, AfterValidator(_permission_of_audience)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_listed)]
Word = Annotated[str, Field(min_length=1, pattern=r"^\S+$")]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
RedisUrl = Annotated[InstanceOf[Secret], BeforeValidator(_redis_url)]
KeyFile = Annotated[InstanceOf[Secret], BeforeValidator(_secret_in_file)]
EncryptionKeyFile = Annotated[
    InstanceOf[Secret], AfterValidator(_encryption_key), BeforeValidator(_secret_in_file)
]
Provider = Annotated[str, AfterValidator(_provider)]
PromptFile = Annotated[str, BeforeValidator(_prompt_in_file)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Variables(RoleVariables):
    """The variables that the agent reads. A field's variable is its name in capitals.

    The client's secret or key is not among the fields: the SDK configuration names its variable.
    """

    jwks_endpoint: Url | None = Field(
        None,
        description="The signing keys of IDaaS. Default: `<issuer>/jwks` of the SDK configuration.",
    )
    agent_audience: Word = Field(
        description="The audience of this agent in IDaaS: an access token must be for it."
    )
    agent_scope: Word = Field(
        description="The permission that an access token must carry, such as `agent.access`."
    )
    allow_client_callers: bool = Field(
        default=False,
        description="Whether clients may call as themselves, with a token whose `sub` is a client's id.",
    )
    access_identity: AccessIdentity = Field(
        AccessIdentity.MACHINE,
        description="Whose rights calls use: `Machine`, the agent's own; `Human`, the signed-in user's.",
    )
    llm_api_key_identifier: Word | None = Field(
        None,
        description="The identifier of the model's API key in IDaaS. Must be set unless"
        " `LLM_API_KEY_FILE` is.",
    )
    llm_api_key_file: KeyFile | None = Field(
        None,
        description="A file with the model's API key on one line, for a provider whose key IDaaS does not"
        " keep. Read at start. In place of `LLM_API_KEY_IDENTIFIER`.",
    )
    llm_provider: Provider = Field(
        LlmProvider.MODEL_STUDIO.value,
        description="`model_studio`; `openai_compatible` for any other OpenAI-compatible endpoint, which"
        " receives no parameter that it may not know; or `package.module:function` for your own provider"
        " (`docs/extending.md`). The last two need `LLM_BASE_URL` and `LLM_MODEL`.",
    )
    external_server_api_key_identifier: Word = Field(
        description="The identifier of the external MCP server's API key in IDaaS."
    )
    enterprise_service_scope: Scope = Field(
        description="Audience and permission of the enterprise service, as `audience|permission`."
    )
    enterprise_service_url: Url = Field(description="The enterprise service, behind its HTTP trigger.")
    external_server_url: Url = Field(
        f"{_BEIJING}/api/v1/mcps/amap-maps/mcp", description="The external MCP server (streamable HTTP)."
    )
    leave_service_scope: Scope | None = Field(
        None,
        description="The example tool's `audience|permission`. With `LEAVE_SERVICE_URL`, or not at all.",
    )
    leave_service_url: Url | None = Field(None, description="The example tool's service.")
    services_file: Annotated[Path, AfterValidator(existing_file)] | None = Field(
        None, description="More services and tools, as TOML (`docs/extending.md`)."
    )
    llm_base_url: Url = Field(
        f"{_BEIJING}/compatible-mode/v1",
        description="The OpenAI-compatible endpoint of Model Studio in your region, or of your provider.",
    )
    llm_model: Word = Field("qwen-plus", description="The model's name.")
    llm_enable_thinking: bool | None = Field(
        default=None,
        description="Model Studio's switch for thinking before the answer. Sent only if it is set.",
    )
    system_prompt_file: PromptFile | None = Field(
        None,
        description="A file with the system prompt of the model, UTF-8, at most 64 KiB. Read at start."
        " Default: the built-in prompt.",
    )
    cors_allowed_origins: Origins = Field(
        ("http://localhost:9001", "http://127.0.0.1:9001"),
        description="Origins of pages that may call the agent, separated by commas. Exact, no `*`.",
    )
    ssl_cert_file: Annotated[Path, AfterValidator(existing_file)] | None = Field(
        None, description="A PEM bundle of the authorities to trust. Default: the public ones."
    )
    agent_host: Word = Field("127.0.0.1", description="The address to listen on. In a container: `0.0.0.0`.")
    agent_port: Port = Field(9002, description="The port to listen on.")
    agent_public_url: Url | None = Field(
        None, description="The agent's address for clients. Default: that of each request."
    )
    max_body_bytes: int = Field(1_048_576, gt=0, description="The largest request body. Beyond it: 413.")
    max_header_bytes: int = Field(
        32_768, ge=4096, le=65_536, description="The largest request line and headers. Beyond them: 431."
    )
    max_requests_per_minute: int = Field(
        120,
        ge=0,
        description="How many requests of one user are admitted in a minute. Each input of a batch counts as"
        " one; refused requests do not count. Beyond them: 429. `0`: no limit.",
    )
    redis_url: RedisUrl | None = Field(
        None,
        description="A Redis for what several processes share, such as `rediss://user:password@host:6379`:"
        ' counts of requests and revocations. Needs `pip install "idaas-agent[redis]"`. Without it, and while'
        " it is unreachable, each process counts alone. `RATE_LIMIT_URL`, its former name, is accepted.",
    )
    revocations_file: Path = Field(
        Path(".idaas-agent/revocations.jsonl"),
        description="The file of revocations (`docs/revocation.md`), shared by the agent's processes and"
        " `idaas-agent revoke`. Created by the first revocation. Not used with `REDIS_URL`.",
    )
    idaas_events_application_id: Word | None = Field(
        None,
        description="The IDaaS application whose account synchronization reports user events to"
        " `POST /events/idaas`. With `IDAAS_EVENTS_JWKS_ENDPOINT`. Without both there is no such route.",
    )
    idaas_events_jwks_endpoint: Url | None = Field(
        None, description="The keys that sign the events: the application's `ProvisionJwksEndpoint`."
    )
    idaas_events_key_file: EncryptionKeyFile | None = Field(
        None,
        description="A file with the key of encrypted events, 64 hexadecimal digits. Read at start. With it,"
        " events in clear are refused.",
    )
    idaas_events_subject: SubjectMember = Field(
        SubjectMember.USER_ID,
        description="The member of an event's user that is the `sub` of access tokens: `userId`, `username`"
        " or `userExternalId`.",
    )
    max_concurrent_runs: int = Field(
        10,
        ge=0,
        description="How many runs one user may have at once in each process."
        " Beyond them: 429. `0`: no limit.",
    )
    max_runs: int = Field(
        1000,
        ge=0,
        description="How many runs each process works on at once. Beyond them: 503. `0`: no limit.",
    )
    max_messages: int = Field(200, gt=0, description="The longest conversation that a request may carry.")
    max_tool_rounds: int = Field(
        8, ge=0, le=64, description="How often in one run the model may request tool calls."
    )
    run_timeout_seconds: Seconds = Field(180, description="The time limit of one run.")
    model_timeout_seconds: Seconds = Field(90, description="The time limit of one call of the model.")
    tool_timeout_seconds: Seconds = Field(30, description="The time limit of one call of a tool.")
    audit_log_file: Annotated[Path, AfterValidator(_file_to_write)] | None = Field(
        None,
        description="The file of the audit log (`docs/audit-log.md`). Without it: only the logger.",
    )
    audit_required: bool = Field(
        default=False,
        description="Whether a request is refused if its audit record cannot be written. With"
        " `AUDIT_LOG_FILE`.",
    )
    agent_tracing: Tracing = Field(
        Tracing.OFF,
        description="`langsmith` sends every run, with its messages and tool results, to LangSmith, as set by"
        " `LANGSMITH_API_KEY` and its other variables. `off` sends nothing, also with"
        " `LANGSMITH_TRACING=true`.",
    )
    shutdown_seconds: Seconds = Field(
        10,
        description="How long responses may continue after a stop signal; then they end with an error."
        " The process ends a few seconds later.",
    )

    @model_validator(mode="before")
    @classmethod
    def _permission_without_audience(cls, given: Any) -> Any:  # noqa: ANN401 - whatever is given
        """`AGENT_SCOPE` may be written as IDaaS writes it, `audience|permission`."""
        if isinstance(given, dict) and isinstance(scope := given.get("agent_scope"), str):
            audience, bar, permission = scope.partition("|")
            if bar and audience == given.get("agent_audience"):
                return given | {"agent_scope": permission}
        return given


class Settings(Variables):
    """The variables, the SDK configuration and the services that two of them name."""

    idaas: InstanceOf[SdkConfiguration] = Field(exclude=True, repr=False)
    header_role: InstanceOf[RequestHeaderRole] | None = Field(None, exclude=True, repr=False)
    services: dict[str, ServiceDeclaration] = Field(default={}, exclude=True, repr=False)

    @property
    def jwks_url(self) -> str:
        """The address of the signing keys."""
        return self.jwks_endpoint or f"{self.idaas.issuer.rstrip('/')}/jwks"


def variables() -> dict[str, tuple[str, object]]:
    """Every variable that `read_settings` knows: name → (description, default; `...` if it must be set)."""
    return {
        name.upper(): (field.description or "", ... if field.is_required() else field.default)
        for name, field in Variables.model_fields.items()
    }


def read_settings(environment: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> Settings:
    """The settings of `environment`, and the SDK configuration that it names.

    `clock` dates what the agent presents to IDaaS.

    An empty variable counts as not set; unknown variables are ignored.
    Raises `ConfigurationError` with every fault at once, each by the variable's name; no value of a secret.
    NUL characters, which only a file of variables can contain, are reported before all other faults.
    """
    if unusable := [name for name, value in environment.items() if "\0" in f"{name}{value}"]:
        faults = [f"{name} must not contain a NUL character" for name in unusable]
        raise ConfigurationError(AgentCode.SETTINGS_INVALID, faults)
    environment = with_present_names(environment)
    given: dict[str, str] = {
        name.lower(): value.strip() for name in variables() if (value := environment.get(name, "")).strip()
    }
    path = Path(given.get("cloud_idaas_config_path", DEFAULT_PATH))
    code: ErrorCode = IdentityCode.SDK_CONFIG_UNREADABLE
    faults, idaas = [], None
    try:
        Variables.model_validate(given)
    except ValidationError as error:
        code = AgentCode.SETTINGS_INVALID
        faults += variable_faults(error)
    if unmatched := _unmatched(given):
        code = AgentCode.SETTINGS_INVALID
        faults += unmatched
    services: dict[str, ServiceDeclaration] = {}
    if "services_file" in given and holds(Path(given["services_file"]).is_file):
        services, found = read_services_file(Path(given["services_file"]))
        code = AgentCode.SETTINGS_INVALID if found else code
        faults += found
    sources = authentication_sources(given, _bundle(given), clock)
    try:
        idaas = read_sdk_configuration(path, environment, clock=clock, sources=sources)
    except ConfigurationError as error:
        faults += error.faults
    if faults:
        raise ConfigurationError(code, faults)
    header_role = sources.role if isinstance(sources.role, RequestHeaderRole) else None
    return Settings.model_validate(given | {"idaas": idaas, "services": services, "header_role": header_role})


def _bundle(given: Mapping[str, str]) -> str | None:
    """`SSL_CERT_FILE`, if it is there; that it is not is a fault of its own."""
    path = given.get("ssl_cert_file")
    return path if path and holds(Path(path).is_file) else None


def _unmatched(given: Mapping[str, str]) -> list[str]:
    """Faults of variables that must be set together, independent of other faults."""
    faults = client_faults(given)
    if ("leave_service_url" in given) != ("leave_service_scope" in given):
        faults.append("LEAVE_SERVICE_URL and LEAVE_SERVICE_SCOPE must be set together, or not at all")
    if ("idaas_events_application_id" in given) != ("idaas_events_jwks_endpoint" in given):
        faults.append(
            "IDAAS_EVENTS_APPLICATION_ID and IDAAS_EVENTS_JWKS_ENDPOINT must be set together, or not at all"
        )
    if "llm_api_key_identifier" not in given and "llm_api_key_file" not in given:
        faults.append("LLM_API_KEY_IDENTIFIER must be set")
    if "llm_api_key_identifier" in given and "llm_api_key_file" in given:
        faults.append("LLM_API_KEY_FILE and LLM_API_KEY_IDENTIFIER must not both be set")
    provider = given.get("llm_provider", "")
    if provider == LlmProvider.OPENAI_COMPATIBLE or _FUNCTION.fullmatch(provider):
        faults += [
            f"{name.upper()} must be set if LLM_PROVIDER is not model_studio"
            for name in ("llm_base_url", "llm_model")
            if name not in given
        ]
        if "llm_enable_thinking" in given:
            faults.append("LLM_ENABLE_THINKING must not be set if LLM_PROVIDER is not model_studio")
    if "audit_log_file" not in given and given.get("audit_required", "").lower() in TRUE:
        faults.append("AUDIT_LOG_FILE must be set if AUDIT_REQUIRED is true")
    return faults
