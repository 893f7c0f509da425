"""The credential that a service declares it requires, and one that was issued.

A further kind of credential is a subclass of `CredentialRequirement` here and its action in `AuditedAction`;
the operation of `identity.idaas` that obtains it, and the row of `IDaaSClient` that names the operation; and
its table in SERVICES_FILE. A further issuer beside IDaaS needs none of it
(`identity.credentials.added_issuers`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, TypeAlias, cast
from urllib.parse import quote, urlencode

from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from identity.audit.event import AuditedAction
from identity.credentials.placement import BEARER, Placement
from identity.credentials.signed_request import SIGNED_REQUEST, SignedRequest, StsCredential
from identity.error_codes import IdentityCode
from identity.errors import ErrorCode
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret

_IDAAS_AUDIENCES: Final = "urn:cloud:idaas"
_ISSUERS_CLAIMS: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
"""RFC 7519, section 4.1."""


class DeclaredCredential(TypedDict, total=False):
    """The members of a requirement that are shown and recorded: in the audit log and spans, and with
    `credential_kind` in events and approvals.
    """

    audience: str
    """The audience of an access token or JWT."""
    scope: str
    """The permission of an access token, without the audience."""
    credential: str
    """The identifier of an API key, or of the provider of a JWT or OAuth token; the ARN of a role; the name
    of an issuer, with what it is asked for.
    """
    credential_kind: str
    """The kind, by its key in SERVICES_FILE; of several, each, with a space between them."""


CREDENTIAL_MEMBERS: Final = tuple(DeclaredCredential.__annotations__)


def declared_credential(members: Mapping[str, Any]) -> DeclaredCredential:
    """The members of a credential among `members` that have a value, as where they are stored flat."""
    declared = {name: members[name] for name in CREDENTIAL_MEMBERS if members.get(name) is not None}
    return cast(DeclaredCredential, declared)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRequirement(ABC):
    """A kind of credential. Its instances are values: equal ones share one credential."""

    kind: ClassVar[str]
    """Its key in SERVICES_FILE."""
    action: ClassVar[AuditedAction]
    """The action that the audit log records when the credential is requested."""

    placement: Placement | SignedRequest = field(default=BEARER, compare=False)
    """Where requests carry it. Not compared: a credential does not depend on its placement."""

    also: "tuple[CredentialRequirement, ...]" = field(default=(), compare=False)
    """Further ones that each request carries, each in a header or query parameter of its own."""

    carried: DeclaredCredential = field(init=False, repr=False, compare=False)
    """The members that are shown and recorded of a call: `credential` names the further ones, too. Computed
    once, because each call is recorded with them.
    """

    described: DeclaredCredential = field(init=False, repr=False, compare=False)
    """The members of a call for people: `carried`, and the kinds (`identity.credentials.rights`)."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for two credentials in one place."""
        self._check_places()
        carried = self._carried()
        kinds = " ".join(part.kind for part in self.parts)
        object.__setattr__(self, "carried", carried)
        object.__setattr__(self, "described", {**carried, "credential_kind": kinds})

    def _check_places(self) -> None:
        if not self.also:
            return
        placements = [part.placement for part in self.parts if isinstance(part.placement, Placement)]
        places = {(placement.header.lower(), placement.query) for placement in placements}
        if len(places) < len(self.parts) or any(part.also for part in self.also):
            raise ValueError("each of several credentials must have a header or a query parameter of its own")

    @property
    def parts(self) -> "tuple[CredentialRequirement, ...]":
        """Itself alone, and the others that requests carry."""
        return (replace(self, also=()), *self.also) if self.also else (self,)

    @property
    @abstractmethod
    def declared(self) -> DeclaredCredential:
        """The members of this one alone that are shown and recorded."""

    def _carried(self) -> DeclaredCredential:
        if not self.also:
            return self.declared
        also = ("|".join(map(str, part.declared.values())) for part in self.also)
        return {**self.declared, "credential": " ".join([self.declared.get("credential", ""), *also]).strip()}

    @property
    def at_most(self) -> DeclaredCredential:
        """As `described`, with all that a call may use: what its approval is for."""
        return self.described

    @abstractmethod
    def __str__(self) -> str:
        """The credential in a sentence for operators."""

    def issue_action(self, _access_identity: AccessIdentity) -> AuditedAction:
        """The action that the audit log records when the credential is requested."""
        return self.action

    @property
    def anew(self) -> "CredentialRequirement | None":
        """The same requirement, for which the issuer does not give the credential that it keeps; `None` for a
        kind of which it keeps none.
        """
        return None


@dataclass(frozen=True, slots=True)
class ApiKeyRequirement(CredentialRequirement):
    """Requires the API key that IDaaS stores under `identifier` (Developer API, `ObtainCredential`).

    `error_code` is the code of a refusal. It is not compared: two requirements with one identifier are equal
    and share one credential.
    """

    kind = "api_key"
    action = AuditedAction.API_KEY_ISSUE

    identifier: str
    error_code: ErrorCode = field(default=IdentityCode.SERVICE_KEY_UNAVAILABLE, compare=False)

    @property
    def declared(self) -> DeclaredCredential:
        return {"credential": self.identifier}

    def __str__(self) -> str:
        return f'the API key "{self.identifier}"'


@dataclass(frozen=True, slots=True)
class AccessTokenRequirement(CredentialRequirement):
    """Requires an access token with `scope`, in IDaaS's form `audience|permission`, or several of one
    audience, with a space between them. `step_up` are permissions that a call may have too, if its service
    responds that it lacks them (`stepped_up`).
    """

    kind = "access_token"

    scope: str
    step_up: tuple[str, ...] = field(default=(), compare=False)

    @property
    def audience(self) -> str | None:
        """The audience of the token; `None` if the scope contains none."""
        audience, bar, _ = self.scope.partition("|")
        return audience if bar else None

    @property
    def permission(self) -> str:
        """The scope without the audience."""
        return " ".join(item.rpartition("|")[2] for item in self.scope.split(" "))

    @property
    def declared(self) -> DeclaredCredential:
        named: DeclaredCredential = {} if self.audience is None else {"audience": self.audience}
        return {**named, "scope": self.permission}

    @property
    def at_most(self) -> DeclaredCredential:
        return {**self.described, "scope": " ".join((self.permission, *self.step_up))}

    def stepped_up(self, missing: str) -> "AccessTokenRequirement | None":
        """The union of this scope and `missing`, permissions with or without the audience, if all that it
        adds is in `step_up`; `None` if not, and if it adds nothing.
        """
        more = {item.removeprefix(f"{self.audience}|") for item in missing.split()}
        more -= {*self.permission.split()}
        if self.audience is None or not more or not more <= {*self.step_up}:
            return None
        added = [f"{self.audience}|{permission}" for permission in sorted(more)]
        return replace(self, scope=" ".join((self.scope, *added)))

    def __str__(self) -> str:
        return f'an access token with the scope "{self.scope}"'

    def issue_action(self, access_identity: AccessIdentity) -> AuditedAction:
        human = access_identity is AccessIdentity.HUMAN
        return AuditedAction.TOKEN_EXCHANGE if human else AuditedAction.MACHINE_TOKEN


@dataclass(frozen=True, slots=True)
class IssuedJwtRequirement(CredentialRequirement):
    """Requires a JWT for `audience` from IDaaS's JWT provider `provider` (Developer API, `GenerateJwt…`).

    Its subject is the user under Human identity, and the agent's client id under Machine identity: no service
    and no model chooses it. `claims` are further claims, pairs of a name and a text. Raises `ValueError` for
    an audience of IDaaS itself, and for a claim that the issuer sets.
    """

    kind = "issued_jwt"
    action = AuditedAction.JWT_ISSUE

    provider: str
    audience: str
    claims: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        CredentialRequirement.__post_init__(self)
        if self.audience.startswith(_IDAAS_AUDIENCES):
            raise ValueError(f'an audience must not begin with "{_IDAAS_AUDIENCES}"')
        if reserved := sorted(_ISSUERS_CLAIMS.intersection(name for name, _ in self.claims)):
            raise ValueError(f'claim "{reserved[0]}" is set by the issuer')

    @property
    def declared(self) -> DeclaredCredential:
        return {"credential": self.provider, "audience": self.audience}

    def __str__(self) -> str:
        return f'a JWT of the provider "{self.provider}" for "{self.audience}"'


@dataclass(frozen=True, slots=True)
class CloudRoleRequirement(CredentialRequirement):
    """Requires temporary credentials (STS) of the Alibaba Cloud role `role`, its ARN, for `seconds`.

    Requests are signed with them. IDaaS allows 900 to 43200 s, and the role's own limit may be lower. Raises
    `ValueError` for another duration. Not checked: whether the role exists.
    """

    kind = "cloud_role"
    action = AuditedAction.CLOUD_ROLE_ISSUE

    role: str
    seconds: int = 3600
    placement: SignedRequest = field(default=SIGNED_REQUEST, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        CredentialRequirement.__post_init__(self)
        if not 900 <= self.seconds <= 43200:
            raise ValueError("the duration must be from 900 to 43200 seconds")

    @property
    def declared(self) -> DeclaredCredential:
        return {"credential": self.role}

    def __str__(self) -> str:
        return f'a request signed as the cloud role "{self.role}"'


@dataclass(frozen=True, slots=True)
class OAuthTokenRequirement(CredentialRequirement):
    """Requires an access token of a foreign authorization server, from IDaaS's OAuth provider `provider`.

    The provider's flow decides whose it is: the agent's (`m2m`), or the user's (`user_federation`), which
    requires Human identity and the user's consent. Without `scopes` it has those of the provider.
    `parameters` are pairs of a name and a text, which IDaaS adds to the URL of the consent; no secrets.
    `forced` has IDaaS obtain a token in place of the one that it keeps; then the user has to consent again.
    It is not compared: the token is for the same use.
    """

    kind = "oauth_token"
    action = AuditedAction.OAUTH_TOKEN_ISSUE

    provider: str
    scopes: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    forced: bool = field(default=False, compare=False)

    @property
    def anew(self) -> "OAuthTokenRequirement":
        return replace(self, forced=True)

    @property
    def declared(self) -> DeclaredCredential:
        scope: DeclaredCredential = {"scope": " ".join(self.scopes)} if self.scopes else {}
        return {"credential": self.provider, **scope}

    def __str__(self) -> str:
        return f'a token of the OAuth provider "{self.provider}"'


@dataclass(frozen=True, slots=True)
class IssuerRequirement(CredentialRequirement):
    """Requires a credential of the issuer `issuer`, which the operator added beside IDaaS: a vault, another
    STS.

    `settings` are what it is asked for, pairs of a name and a text, a whole number, or several texts; a
    mapping becomes such pairs, and a boolean the text `true` or `false`. No secrets: they are recorded.
    `login` is what the issuer itself requires first of the same holder; a service requires no login. Raises
    `ValueError` for another value.
    Not checked here: whether there is such an issuer, and what its settings are.
    """

    kind = "issuer_credential"
    action = AuditedAction.CREDENTIAL_ISSUE

    issuer: str
    settings: "IssuerSettings | Mapping[str, IssuerValue]" = ()
    login: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", _pairs(self.settings))
        CredentialRequirement.__post_init__(self)

    @property
    def declared(self) -> DeclaredCredential:
        if self.login:
            return {"credential": f"{self.issuer}#login"}
        asked = urlencode([*self.settings], doseq=True, quote_via=quote)
        return {"credential": f"{self.issuer}?{asked}" if asked else self.issuer}

    def __str__(self) -> str:
        what = "the login" if self.login else "a credential"
        return f'{what} of the issuer "{self.issuer}"'


IssuerValue: TypeAlias = str | int | bool | Sequence[str]
IssuerSettings: TypeAlias = tuple[tuple[str, IssuerValue], ...]
"""The settings of an `IssuerRequirement`, by their names."""


def _pairs(settings: "IssuerSettings | Mapping[str, IssuerValue]") -> IssuerSettings:
    """In alphabetical order, so that equal settings are equal. Raises `ValueError`."""
    pairs: dict[str, IssuerValue] = {}
    for name, value in dict(settings).items():
        if isinstance(value, bool):  # as a text: it would be equal to a number
            pairs[name] = str(value).lower()
        elif isinstance(value, str | int):
            pairs[name] = value
        elif isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            pairs[name] = tuple(value)
        else:
            raise ValueError(f'setting "{name}" must be a text, a whole number, a boolean or a list of texts')
    return tuple(sorted(pairs.items()))


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key, a token, or the packed credentials of a cloud role, that was issued.

    It must not be used at or after `expires_at`, in unix seconds: never later than the token's own `exp` or,
    under Human identity, the end of the user's access token. An API key does not expire; for it, `expires_at`
    is the end of its use without confirmation by the issuer. `principal` is the user whose rights it has, and
    `None` for the agent's own.
    """

    requirement: CredentialRequirement
    access_identity: AccessIdentity
    secret: Secret
    expires_at: float
    principal: Principal | None = None
    also: "tuple[Credential, ...]" = ()
    """The credentials of `CredentialRequirement.also`; `expires_at` is then of the first one to expire."""

    @property
    def parts(self) -> "tuple[Credential, ...]":
        """This one, and the others."""
        return (self, *self.also)

    @property
    def sts(self) -> StsCredential:
        """The access key and the security token of a cloud role. Raises `ValueError` for another kind."""
        return StsCredential.unpacked(self.secret)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets that must not be shown: of each part `secret`, or what is packed in it."""
        if not isinstance(self.requirement, CloudRoleRequirement):
            return tuple(part.secret for part in self.parts)
        return (self.sts.access_key_secret, self.sts.security_token)
