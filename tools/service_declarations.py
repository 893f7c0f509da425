"""The tables of SERVICES_FILE: a service over HTTP or MCP, its credential, and the policies of its tools."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol, Self, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from identity.credentials.placement import BEARER, Placement
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    CredentialRequirement,
    IssuedJwtRequirement,
    IssuerRequirement,
    OAuthTokenRequirement,
)
from identity.error_codes import IdentityCode
from identity.errors import ErrorCode
from identity.principal import AccessIdentity
from identity.transport.client import checked_url
from tools.approval_policy import After, ApprovalMode, ArgumentRule, Data, Effect, ToolPolicy, Trust
from tools.lasting import LONGEST_SECONDS, Lasting
from tools.result import MAX_CHARACTERS
from tools.titles import ToolTitles, Words, alike

# The patterns list ASCII characters. A counted `\w` or `\d` also matches those of other scripts, and takes
# milliseconds and megabytes to compile at each start.


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Made(_Table):
    """A table of which a value is made, which must be possible."""

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        self.made()
        return self

    def made(self) -> object:
        """The value. Raises `ValueError` if there is none."""
        raise NotImplementedError


class _MadeCredential(Protocol):
    def made(self, placement: Placement) -> CredentialRequirement: ...


class IssuedJwtDeclaration(_Made):
    """`{ provider = "reports_jwt", audience = "https://reports.example", claims = { tier = "gold" } }`."""

    provider: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        description="The identifier of the JWT provider in IDaaS."
    )
    audience: Annotated[str, Field(pattern=r"^\S+$")]
    claims: dict[str, str] = Field(default_factory=dict, description="Further claims. No secret.")

    def made(self, placement: Placement = BEARER) -> IssuedJwtRequirement:
        """The requirement of calls of the service. Raises `ValueError` if it cannot be issued."""
        claims = tuple(sorted(self.claims.items()))
        return IssuedJwtRequirement(self.provider, self.audience, claims, placement=placement)


class OAuthTokenDeclaration(_Made):
    """`{ provider = "calendar", scopes = ["calendar.read"], parameters = { access_type = "offline" } }`."""

    provider: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        description="The identifier of the OAuth provider in IDaaS."
    )
    scopes: tuple[Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$")], ...] = Field(
        (), description="Default: the provider's scopes."
    )
    parameters: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")], str] = Field(
        default_factory=dict, description="Added to the URL of the consent. No secret."
    )

    def made(self, placement: Placement = BEARER) -> OAuthTokenRequirement:
        """The requirement of calls of the service."""
        parameters = tuple(sorted(self.parameters.items()))
        return OAuthTokenRequirement(self.provider, self.scopes, parameters, placement=placement)


class CloudRoleDeclaration(_Made):
    """`{ role = "acs:ram::1000000000000001:role/report-reader", seconds = 900 }`."""

    role: Annotated[str, Field(pattern=r"^acs:ram::[0-9]{1,20}:role/[A-Za-z0-9_.-]{1,64}$")] = Field(
        description="The ARN of the role, as the cloud account in IDaaS has it."
    )
    seconds: Annotated[int, Field(ge=900, le=43200)] = Field(
        3600, description="Until the credentials expire."
    )

    def made(self, _placement: Placement = BEARER) -> CloudRoleRequirement:
        """The requirement of calls of the service. The signature has its own place."""
        return CloudRoleRequirement(self.role, self.seconds)


class IssuerCredentialDeclaration(_Made):
    """`{ issuer = "vault", settings = { path = "kv/data/ledger", field = "key" } }`."""

    issuer: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(
        description="The name of an installed issuer, or of a table `[issuers.NAME]` of this file."
    )
    settings: dict[str, StrictStr | StrictInt | StrictBool | tuple[StrictStr, ...]] = Field(
        default_factory=dict, description="What it is asked for; the issuer checks them. No secret."
    )

    def made(self, placement: Placement = BEARER) -> IssuerRequirement:
        """The requirement of calls of the service."""
        return IssuerRequirement(self.issuer, self.settings, placement=placement)


CREDENTIAL_KEYS: Final = (
    *("access_token", "api_key", "issued_jwt", "cloud_role", "oauth_token"),
    "issuer_credential",
)
"""The keys that declare the credential of a service; at most one is set."""


class CredentialDeclaration(_Table):
    """The keys that any service may have."""

    _about_credential: ClassVar = ("placement", "access_identity", "lends_credential")
    """Keys without an effect unless there is a credential."""

    access_token: Annotated[str, Field(pattern=r"^[^\s|]+\|[^\s|]+$")] | None = Field(
        None, description="The credential is an access token of this `audience|permission`."
    )
    api_key: Annotated[str, Field(pattern=r"^\S+$")] | None = Field(
        None, description="The credential is the API key that IDaaS keeps under this identifier."
    )
    issued_jwt: IssuedJwtDeclaration | None = Field(
        None, description="The credential is a JWT of one of IDaaS's JWT providers, for the caller."
    )
    issuer_credential: IssuerCredentialDeclaration | None = Field(
        None, description="The credential is one of an issuer beside IDaaS, such as a vault."
    )
    placement: Placement | None = Field(
        None,
        description='Where requests carry the credential: `{ header = "X-API-Key" }`, with an optional '
        '`scheme`, or `{ query = "key" }`. Default: `Authorization: Bearer …`.',
    )

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        keys = self._credential_keys()
        if len(keys) > 1:
            raise ValueError(f"must have one of {one_of()}, found {' and '.join(keys)}")
        if keys:
            return self
        for name in self._about_credential:
            if getattr(self, name, None):
                raise ValueError(f"must have one of {one_of()} with {name}")
        return self

    @property
    def credential_key(self) -> str | None:
        """The key that declares the credential; `None` if there is none."""
        return next(iter(self._credential_keys()), None)

    def requirement(self, key_error_code: ErrorCode) -> CredentialRequirement | None:
        """The requirement of calls of the service. `key_error_code`: of an API key that is refused."""
        placement = self.placement or BEARER
        if self.access_token is not None:
            steps = getattr(self, "step_up", ())
            return AccessTokenRequirement(self.access_token, steps, placement=placement)
        if self.api_key is not None:
            return ApiKeyRequirement(self.api_key, key_error_code, placement=placement)
        if self.credential_key is None:
            return None
        return cast(_MadeCredential, getattr(self, self.credential_key)).made(placement)

    def _credential_keys(self) -> list[str]:
        return [key for key in CREDENTIAL_KEYS if getattr(self, key, None) is not None]


def one_of() -> str:
    """The keys, in a sentence."""
    return " and ".join((", ".join(CREDENTIAL_KEYS[:-1]), CREDENTIAL_KEYS[-1]))


class RuleDeclaration(_Made):
    """`{ argument = "amount", operator = ">", value = 500, policy = "ask" }`."""

    argument: Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")] = Field(
        description="Its name, or a path through objects: `order.amount`."
    )
    operator: Literal[">", ">=", "<", "<=", "==", "!="]
    value: StrictBool | StrictInt | StrictFloat | StrictStr
    policy: Literal["ask", "deny"]

    def made(self) -> ArgumentRule:
        """The rule. Raises `ValueError` if it cannot be evaluated."""
        return ArgumentRule(self.argument, self.operator, self.value, ApprovalMode(self.policy))


class LastingDeclaration(_Made):
    """`{ seconds = 28800, bounds = { amount = { min = 0, max = 500 } } }`."""

    seconds: Annotated[StrictInt, Field(ge=1, le=LONGEST_SECONDS)] = Field(
        description="For how long at most, from the decision on."
    )
    conversation_only: StrictBool = Field(
        True, description="false: the person may choose all of their conversations; never with `external`."
    )
    bounds: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="By argument: `{ one_of = […] }`, `{ min = 0, max = 500 }` or `{ prefix = 'P-' }`. An "
        "argument without one is offered as it was asked about.",
    )

    def made(self) -> Lasting:
        """The offer. Raises `ValueError` for a bound of another form."""
        return Lasting(**self.model_dump())


class AfterDeclaration(_Made):
    """`{ confidential = "deny", untrusted = "ask" }`: each `allow`, `ask` or `deny`."""

    confidential: ApprovalMode = Field(
        ApprovalMode.ASK, description="For calls that could carry confidential data elsewhere."
    )
    internal: ApprovalMode = Field(
        ApprovalMode.ASK, description="For calls that could carry internal data out of the company."
    )
    untrusted: ApprovalMode | None = Field(
        None,
        description="For calls with a text or number that the user has not written, after untrusted data. "
        "Default: `ask` for `external` and tools without a policy, else `allow`.",
    )
    nothing: ApprovalMode = Field(
        ApprovalMode.ALLOW, description="For calls with such a value, whatever was read."
    )

    def made(self) -> After:
        """The modes."""
        return After(**self.model_dump())


class PolicyDeclaration(_Made):
    """`{ effect = "write", policy = "ask" }`: the whole policy of one tool."""

    effect: Literal[Effect.READ, Effect.WRITE, Effect.EXTERNAL] = Field(
        description="What a call changes: nothing, the service's data, or more."
    )
    policy: ApprovalMode | None = Field(
        None, description="Default: `read` allow; `write` and `external` ask under Human identity, else deny."
    )
    rules: tuple[RuleDeclaration, ...] = Field((), description="A rule restricts the calls that it matches.")
    approvers: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Another person approves, of this group; `claim:NAME`: whose `sub` the claim has."
    )
    lasting: LastingDeclaration | None = Field(
        None, description="What a person may approve beyond one call. Default: nothing."
    )
    data: Data = Field(Data.UNLABELLED, description="How far what it returns may go.")
    trust: Trust | None = Field(
        None,
        description="Of what it returns. `untrusted-content`: others wrote it, and the tool is the "
        "company's. Default: `untrusted` of an MCP server, else `trusted`.",
    )
    after: AfterDeclaration = Field(
        default_factory=AfterDeclaration, description="What happens to calls after labelled data was read."
    )
    sum: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="With `POLICY_URL`: the required number whose sum `today` has."
    )

    def made(self) -> ToolPolicy:
        """The policy. Raises `ValueError` for a member that another disables."""
        rules = tuple(rule.made() for rule in self.rules)
        lasting = None if self.lasting is None else self.lasting.made()
        others = self.model_dump(exclude={"effect", "policy", "rules", "lasting", "after"})
        return ToolPolicy(self.effect, self.policy, rules, lasting, after=self.after.made(), **others)


_Url = Annotated[str, AfterValidator(checked_url), Field(description="https, or http to a loopback address.")]
_Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class _Tools(_Table):
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,32}$")] = Field(
        "",
        description="Begins the names of its tools, as the model sees them. `policies` and `tools` have the"
        " names without it.",
    )
    policies: dict[str, PolicyDeclaration] = Field(
        default_factory=dict, description="By the names of tools; each replaces what the code declares."
    )
    data: Data = Field(
        Data.UNLABELLED, description="How far what its tools return may go, of those without a label."
    )
    title: Words | None = Field(None, description="What people read in place of its name.")
    titles: dict[str, ToolTitles] = Field(
        default_factory=dict,
        description="What people read in place of the names of tools and arguments, by the names of tools.",
    )

    @model_validator(mode="after")
    def _tools_differ(self) -> Self:
        named = {tool: titles.title for tool, titles in self.titles.items() if titles.title is not None}
        if fault := alike(named):
            raise ValueError(f"must have another title for the tool {fault}")
        return self


class _ListedTools(_Tools):
    """Tools that a server lists."""

    tools: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, description="The tools that the model may use. Default: all that the server lists."
    )
    trusted: bool = Field(
        False, description="Whether what the server changes in its tools is used without being accepted."
    )

    @model_validator(mode="after")
    def _policies_of_its_tools(self) -> Self:
        if self.tools is not None and (unknown := sorted(self.policies.keys() - set(self.tools))):
            raise ValueError(f'must list the tool "{unknown[0]}" in tools, because it has a policy')
        if self.tools is not None and (unknown := sorted(self.titles.keys() - set(self.tools))):
            raise ValueError(f'must list the tool "{unknown[0]}" in tools, because it has a title')
        return self


class BuiltInDeclaration(_ListedTools):
    """`[services.amap]`: about the tools of the server that `EXTERNAL_SERVER_URL` names."""

    type: Literal["built-in"]


class _Declaration(_Tools, CredentialDeclaration):
    url: _Url
    access_identity: AccessIdentity | None = Field(None, description="Default: `ACCESS_IDENTITY`.")
    timeout_seconds: _Seconds = Field(20.0, description="For one call.")


class HTTPDeclaration(_Declaration):
    """A service over HTTP; `python` names the function that adds its tools."""

    type: Literal["http"]
    python: Annotated[str, Field(pattern=r"^[^:]+:[A-Za-z_]\w*$")] = Field(
        description="`my_tools.payroll:service`, or `payroll.py:service` for a file relative to this one."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Passed to the function unchanged.")
    lends_credential: StrictBool = Field(False, description="Whether its tools may take it as a value.")
    max_request_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    max_response_bytes: Annotated[int, Field(ge=1, le=64 * 1024 * 1024)] = 256 * 1024
    max_result_characters: Annotated[int, Field(ge=1, le=200_000)] = Field(
        MAX_CHARACTERS, description="Of the text that the model reads; the rest is cut."
    )
    cloud_role: CloudRoleDeclaration | None = Field(
        None, description="Requests are signed with temporary credentials of this Alibaba Cloud role."
    )
    oauth_token: OAuthTokenDeclaration | None = Field(
        None, description="The credential is an access token that IDaaS obtained from another provider."
    )
    also: tuple[CredentialDeclaration, ...] = Field(
        (), description="Further credentials that each request carries, each with a placement of its own."
    )

    @model_validator(mode="after")
    def _each_has_its_place(self) -> Self:
        if self.cloud_role is not None and self.placement is not None:
            raise ValueError("must have no placement with cloud_role: the request is signed")
        all_have_one = self.credential_key and all(further.credential_key for further in self.also)
        if self.also and not all_have_one:
            raise ValueError(f"must have one of {one_of()} in each table of also, and one beside it")
        self.requirement(IdentityCode.SERVICE_KEY_UNAVAILABLE)
        return self

    def requirement(self, key_error_code: ErrorCode) -> CredentialRequirement | None:
        """With those of `also`. Raises `ValueError` for two in one place."""
        required = super().requirement(key_error_code)
        if required is None:
            return None
        also = [further.requirement(key_error_code) for further in self.also]
        return replace(required, also=tuple(requirement for requirement in also if requirement))


class MCPDeclaration(_Declaration, _ListedTools):
    """An MCP server over streamable HTTP, which lists its tools itself."""

    type: Literal["mcp"]
    step_up: tuple[Annotated[str, Field(pattern=r"^[^\s|]+$")], ...] = Field(
        (), description="Permissions that `access_token` may have too, for a call whose server requires them."
    )

    @model_validator(mode="after")
    def _a_credential(self) -> Self:
        if self.step_up and self.access_token is None:
            raise ValueError("must have access_token with step_up")
        if self.credential_key is None:
            raise ValueError(f"must have one of {one_of()}, found none")
        return self


class IssuerDeclaration(_Table):
    """`[issuers.vault]`: an issuer of credentials beside IDaaS."""

    python: Annotated[str, Field(pattern=r"^[^:]+:[A-Za-z_]\w*$")] | None = Field(
        None,
        description="Its class: `vault.py:Vault`, a file relative to this one. Default: the installed issuer "
        "of this name.",
    )
    user_token: StrictBool = Field(
        False, description="Whether it receives the access token of the user, under Human identity."
    )
    timeout_seconds: _Seconds = Field(10.0, description="For one credential.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Its own; the issuer checks them.")


ServiceDeclaration: TypeAlias = HTTPDeclaration | MCPDeclaration
FileDeclaration: TypeAlias = ServiceDeclaration | BuiltInDeclaration
"""The declarations that SERVICES_FILE may have under a name."""
