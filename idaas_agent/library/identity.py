"""The `Identity` of an application: made once, at the start, and used by all of its requests."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from graph.credentials.service_credentials import ServiceCredentials, ServiceRequirement
from graph.error_codes import GraphCode
from http1.proxy import OF_PROCESS, ProxyVariables
from idaas_agent.extras import extra_for, named_extra
from idaas_agent.library.auth import CredentialAuth, credential_auth, requirement
from idaas_agent.library.run_context import acting, current_token
from idaas_agent.library.settings import LibrarySettings, given_environment, read_library_settings
from identity.access_token.revocation import Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.access_token.verifier import REVOCATION_REACH
from identity.audit.authentication import verified_on_record
from identity.audit.event import AuditOutcome
from identity.audit.trail import Step
from identity.credentials.placement import Placement
from identity.credentials.requirement import ApiKeyRequirement
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, ConfigurationError
from identity.parts import IdentityParts
from identity.principal import AccessIdentity, Caller
from identity.secrets.secret import Secret
from tools.service import Access

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from langgraph.prebuilt import ToolNode
    from langgraph_sdk import Auth

    from idaas_agent.library.fastapi_user import UserDependency
    from idaas_agent.library.governed_calls import KnownCalls
    from idaas_agent.library.hosting import Host
    from idaas_agent.library.middleware import IdentityMiddleware
    from idaas_agent.library.revocation_database import RevocationDatabase
    from tools.approval_policy import Data, ToolPolicy, Trust
    from tools.service import Service

_CLAIMS: Final = ("name", "groups")
"""The claims of a `Caller`, beside those of CALLER_CLAIMS."""
_STORES: Final = ("sqlite:///", "postgresql://", "postgres://")
_OTHER_LOOP: Final = (
    "this Identity belongs to another event loop, which is still open: use it in that loop, or make a second"
    " Identity for this one"
)

_Lifetime: TypeAlias = tuple[IdentityParts, AsyncGenerator[IdentityParts]]


@dataclass(frozen=True, slots=True)
class _Opened:
    """The parts of one event loop, when the task has made them, and the generator that closes them."""

    loop: asyncio.AbstractEventLoop
    opening: asyncio.Task[_Lifetime]

    @property
    def failed(self) -> bool:
        """There are no parts, and will be none."""
        opening = self.opening
        return opening.done() and (opening.cancelled() or opening.exception() is not None)


class Identity:
    """Who is calling, and what they may use: verifies callers, obtains their credentials, records both.

    Make one for a process, with `from_env`. It opens at its first use, and closes with the event loop, with
    `aclose`, or with `async with`. It belongs to one event loop: a second one beside it gets a
    `RuntimeError`; after that loop was closed, it opens anew. Revocations stay in force.

    Guaranteed: a credential under Human identity is the caller's for whom the code runs now, whose access
    token is verified at each use, or there is none. It never becomes the application's own.
    """

    def __init__(
        self,
        settings: LibrarySettings,
        *,
        approvals: str | None = None,
        proxies: ProxyVariables = OF_PROCESS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Opens nothing. See `from_env`."""
        self.settings: Final = settings
        self.proxies: Final = proxies
        self.clock: Final = clock
        self.approvals: Final = None if approvals is None else Secret(approvals)
        """Where approvals are kept: a URL, which may have a password. `None`: in this process."""
        self.revocations: Final = RevocationList(reach=REVOCATION_REACH, clock=clock)
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._revocation_database: RevocationDatabase | None = None
        self._host: Host | None = None

    @classmethod
    def from_env(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        env_file: str | Path | None = None,
        approvals: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """The identity that the process's environment configures, with `env_file` beside it, or that
        `environment` does alone.

        Required are `CLOUD_IDAAS_CONFIG_PATH` and what its file names, `AGENT_AUDIENCE` and `AGENT_SCOPE`.
        `approvals` is where approvals are kept: "sqlite:///approvals.db" or "postgresql://…"; without it,
        they last as long as the process.
        Raises `ConfigurationError`, whose `faults` are all of them, each by the variable's name.
        """
        faults = []
        if approvals is not None and not approvals.startswith(_STORES):
            faults.append('approvals must be "sqlite:///path of a file", "postgresql://…" or None')
        if approvals is not None and approvals.startswith("postgres") and (extra := extra_for("psycopg")):
            faults.append(f'approvals="postgresql://…" needs {extra}')
        try:
            given = given_environment(environment, env_file)
            is_of_process = environment is None and env_file is None
            proxies = OF_PROCESS if is_of_process else ProxyVariables(given)
            with proxies.used():
                settings = read_library_settings(given, clock=clock)
        except ConfigurationError as error:
            faults = [*error.faults, *faults]
        if faults:
            raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
        return cls(settings, approvals=approvals, proxies=proxies, clock=clock)

    def __repr__(self) -> str:
        return f"Identity({self.settings.idaas.client_id!r}, audience={self.settings.agent_audience!r})"

    async def parts(self) -> IdentityParts:
        """The verifier, the broker, the records and the rest, for the running event loop.

        Raises `RuntimeError` if they belong to another event loop, which is still open.
        """
        if self._host is not None:
            return self._host.parts
        loop = asyncio.get_running_loop()
        with self._lock:
            opened = self._opened
            if opened is None or opened.loop.is_closed() or opened.failed:
                # Without the context of its first user, who is one of many.
                opening = loop.create_task(self._open(), name="identity", context=Context())
                opened = self._opened = _Opened(loop, opening)
            elif opened.loop is not loop:
                raise RuntimeError(_OTHER_LOOP)
        if not opened.opening.done():
            await asyncio.wait([opened.opening])  # cancelling one user does not cancel it for the others
        parts, _ = opened.opening.result()
        return parts

    def hosted_by(self, host: "Host") -> None:
        """For a server that runs the application's graph: from now on its parts are this identity's."""
        self._host = self.known_calls.host = host

    async def verify(self, token: str | Secret) -> Caller:
        """The caller whose access token it is, once it is verified and on record.

        Raises `AccessTokenError` with its code, and `UnreachableError` while the signing keys cannot be
        fetched.
        """
        token = _secret(token)
        return (await self._admitted(token)).caller

    @asynccontextmanager
    async def acting_for(self, token: str | Secret) -> AsyncIterator[Caller]:
        """`async with identity.acting_for(token) as caller`: credentials in the block are this caller's.

        Of two blocks, the inner one counts. Tasks that begin inside inherit it. The token is verified now,
        and at each use: a caller who is revoked meanwhile gets no credential. Raises as `verify` does.
        """
        token = _secret(token)
        verified = await self._admitted(token)
        with acting(self, verified.token):
            yield verified.caller

    async def caller_of_run(self) -> VerifiedAccessToken | None:
        """The caller of the LangGraph run in progress, else of `acting_for`, verified now; `None`: there is
        none, and no credential of a user can be used.

        Raises `AccessTokenError`, which is then on record.
        """
        token = current_token(self)
        if token is None:
            return None
        parts = await self.parts()
        try:
            return await parts.verifier.verify(token)
        except AccessTokenError as error:
            await self._authentication(parts, token).ended_by(error)
            raise

    async def required_caller(self) -> VerifiedAccessToken:
        """The caller of the run; raises `AccessTokenError` (`access_token_missing`) if there is none."""
        caller = await self.caller_of_run()
        if caller is None:
            detail = (
                "the code runs for no caller: give the run context=IdentityContext(access_token=…), or call"
                " it in a block of identity.acting_for"
            )
            raise AccessTokenError(GraphCode.ACCESS_TOKEN_MISSING, detail)
        return caller

    @cached_property
    def user(self) -> "UserDependency":
        """FastAPI's dependency: `user: Caller = Depends(identity.user)`.

        Without a valid access token the response is 401 or 403, with RFC 6750's challenge. Until the response
        is sent, credentials are this caller's, as in a block of `acting_for`. Raises `MissingExtraError`
        without FastAPI.
        """
        with named_extra("identity.user"):
            from idaas_agent.library.fastapi_user import user_dependency  # FastAPI is loaded when it is used

        return user_dependency(self, self.settings, self._admitted)

    def auth(
        self,
        scope: str | None = None,
        *,
        url: str,
        api_key: str | None = None,
        access_identity: AccessIdentity | str | None = None,
        placement: Placement | Mapping[str, str] | None = None,
    ) -> CredentialAuth:
        """An auth object for asynchronous clients of `httpx` and `httpx2`, for requests to `url` and below:
        `httpx.AsyncClient(auth=identity.auth("https://hr.example.com|hr.read", url="https://hr.example.com"))`.

        The credential is an access token of `scope` (`audience|permission`), or the API key of the identifier
        `api_key`. `access_identity` is `"Human"`, the caller's rights, or `"Machine"`, the application's own;
        by default what ACCESS_IDENTITY says. `placement` is where requests carry it:
        `{"header": "X-API-Key"}` with an optional `scheme`, or `{"query": "key"}`; by default
        `Authorization: Bearer …`.
        Raises `ValueError` for arguments of another form. See `CredentialAuth` for its guarantees.
        """
        required = requirement(scope, api_key, placement)
        identity = self._access_identity(access_identity)
        auth = credential_auth(url, required, identity, self._access, self._check_stops)
        self.known_calls.requests.add(auth.service)
        return auth

    def api_key(
        self, identifier: str, *, access_identity: AccessIdentity | str | None = None
    ) -> Callable[[], Awaitable[str]]:
        """A function that returns the API key that IDaaS keeps under `identifier`:
        `ChatOpenAI(api_key=identity.api_key("model-key"))`.

        It is read for the caller of the run under Human identity, and for the application under Machine
        identity; by default what ACCESS_IDENTITY says. It raises as `CredentialAuth` does: an operator stops
        it by the identifier, also if it is the key of a model.
        """
        required = ServiceRequirement(ApiKeyRequirement(identifier), self._access_identity(access_identity))
        self.known_calls.requests.add(identifier)

        async def key() -> str:
            access = await self._access(identifier, required)
            secret = (await access.credential()).secret
            await self._check_stops(identifier)
            return secret.reveal()

        return key

    @cached_property
    def known_calls(self) -> "KnownCalls":
        """The questions, answers and results of governed calls that this process knows."""
        from graph.call_steps.stops import Stops
        from idaas_agent.library.governed_calls import KnownCalls
        from idaas_agent.library.stored_approvals import StoredApprovals

        stored = None if self.approvals is None else StoredApprovals(self.approvals)
        return KnownCalls(stored=stored, stops=Stops(self.revocations, self.clock))

    async def tools(self, services: "Sequence[Service] | str | Path") -> "Sequence[BaseTool]":
        """LangChain tools of `services`, which are objects (`HTTPService`, `MCPService`, your own `Service`)
        or the path of a file of services.

        Each is complete in itself: see `GovernedTool`. The tools of an MCP server are those that it lists
        now; under Human identity call this in a block of `acting_for`.
        Raises `ConfigurationError`, whose `faults` are all of them.
        """
        from idaas_agent.library.tools import tools_of

        return await tools_of(self, self._file(services) if isinstance(services, str | Path) else services)

    def govern(self, tool: "BaseTool | Callable[..., Any]", policy: "ToolPolicy | None" = None) -> "BaseTool":
        """A tool or function of the application whose calls pass the steps of governed ones: policy,
        approval, labels and record, without a credential of ours. Without a `policy` each call asks.
        """
        from idaas_agent.library.app_tool import governed_tool

        return governed_tool(self, tool, policy)

    def label(self, source: str, *, data: "Data | None" = None, trust: "Trust | None" = None) -> None:
        """For a node of the application's graph: labels what it has read from `source`, a name for people, as
        results of governed tools are. Call it before what was read is returned. By default it is untrusted,
        and not confidential.

        It counts for the rest of the thread: in this process, with `middleware` or under the server in every
        other one too. Raises `ValueError` for a source that is not of 1 to 64 letters, digits, `_` and `-`,
        and `RuntimeError` where no thread is kept.
        """
        from idaas_agent.library.node_labels import label_source

        label_source(self.known_calls.read, source, data, trust)

    def middleware(
        self, policy_file: "str | Path | None" = None, shared_threads: bool = False
    ) -> "IdentityMiddleware":
        """The middleware of an agent of LangChain's `create_agent`, which must be installed.

        `policy_file` has the policies of tools that are not governed yet, by their names; one that it does
        not name asks before each call. A thread is its first caller's, unless threads are shared. Raises
        `ConfigurationError` for faults of the file, and `MissingExtraError` without LangChain.
        """
        with named_extra("identity.middleware"):
            from idaas_agent.library.middleware import IdentityMiddleware
        from idaas_agent.library.policy_file import read_policy_file

        policies = {} if policy_file is None else read_policy_file(self._file(policy_file))
        return IdentityMiddleware(self, policies, shared_threads=shared_threads)

    def tool_node(self, tools: "Sequence[BaseTool | Callable[..., Any]]", **options: Any) -> "ToolNode":  # noqa: ANN401 - of `ToolNode`
        """LangGraph's `ToolNode` of `tools`, all of which it governs, and which asks about all calls of one
        step at once. `options` are those of `ToolNode`.
        """
        from idaas_agent.library.tool_node import tool_node_of

        return tool_node_of(self, tools, **options)

    def _file(self, named: str | Path) -> Path:
        """A file; under a server beside the module of the graph, if the working directory has none."""
        path = Path(named)
        return path if self._host is None or path.exists() else self._host.folder / path

    async def _access(self, name: str, required: ServiceRequirement) -> Access:
        """The access of the caller for whom the code runs now to the service of that name."""
        human = required.access_identity is AccessIdentity.HUMAN
        caller = await self.required_caller() if human else None
        parts = await self.parts()
        await self._check_stops(name)
        return ServiceCredentials({name: required}, parts.broker, self.clock).of(caller, name)

    async def _check_stops(self, name: str) -> None:
        """Raises `ServiceError` if an operator has stopped the service of that name, the caller, or all."""
        await self.parts()  # from then on, the revocations are followed
        known = self.known_calls
        stops = known.stops if known.host is None else known.host.stops
        if stops is not None:
            await stops.check_request(name, self._subject)

    async def _subject(self) -> str | None:
        caller = await self.caller_of_run()
        return None if caller is None else caller.principal.subject

    def _access_identity(self, given: AccessIdentity | str | None) -> AccessIdentity:
        return self.settings.access_identity if given is None else AccessIdentity(given)

    def langgraph_auth(self) -> "Auth":
        """The auth handler that `"auth"` of `langgraph.json` names: `auth = identity.langgraph_auth()`.

        On LangGraph Server (`langgraph dev`) a run acts for the caller of the request that began it, in the
        process that received the request. A thread is its creator's alone.
        """
        from idaas_agent.library.langgraph_auth import auth_handler  # loaded when it is used

        return auth_handler(self.settings, self._admitted)

    async def revoke(self, subject: str) -> None:
        """From now on, the access tokens that this user has had until now are refused, and the credentials
        that were obtained for them are gone. A token that is issued later is accepted.

        In this process, and in every one that follows the same database (`REVOCATIONS_FILE`, or the
        PostgreSQL of `CONVERSATIONS_URL`), agents included. Raises `ValueError` for a subject that no user
        has, and `UnreachableError` if the database cannot be written: here it is in force. Under a server
        that runs the graph, raises `RuntimeError`: `idaas-agent revoke` ends the runs of the user, too.
        """
        if self._host is not None:
            raise RuntimeError("the server that runs this graph revokes: idaas-agent revoke")
        now = self.clock()
        revocation = Revocation(Target.USER, subject, Origin.OPERATOR, until=now, changed_at=now)
        parts = await self.parts()
        if self._revocation_database is not None:
            await self._revocation_database.put(revocation)
            return
        self.revocations.apply(revocation)
        parts.broker.forget_users(lambda _, principal: principal.subject == subject)
        await parts.audit.revocation(revocation, self.settings.idaas.issuer).ended(AuditOutcome.SUCCEEDED)

    async def aclose(self) -> None:
        """Closes the connections, and ends the audit log. The next use opens them anew."""
        with self._lock:
            opened = self._opened
            if opened is None or opened.loop.is_closed():
                return  # a server closes its own
            if opened.loop is not asyncio.get_running_loop():
                raise RuntimeError(_OTHER_LOOP)
            self._opened = None
        await asyncio.wait([opened.opening])
        if not opened.failed:
            _, lifetime = opened.opening.result()
            await lifetime.aclose()

    async def __aenter__(self) -> Self:
        await self.parts()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _open(self) -> _Lifetime:
        lifetime = self._lifetime()
        return await anext(lifetime), lifetime

    async def _lifetime(self) -> AsyncGenerator[IdentityParts]:
        """Yields the parts once. The event loop ends a generator that is left before it closes: so they are
        closed at the end of `asyncio.run` too.
        """
        from idaas_agent.library.revocation_database import RevocationDatabase

        parts = await asyncio.to_thread(self._made)  # it reads files: the authorities to trust
        try:
            self._revocation_database = await RevocationDatabase.followed(
                self.settings, parts, self.known_calls
            )
            yield parts
        finally:
            await parts.aclose()

    def _made(self) -> IdentityParts:
        with self.proxies.used():
            return IdentityParts(
                self.settings, clock=self.clock, revocations=self.revocations, kept_claims=_CLAIMS
            )

    async def _admitted(self, token: Secret) -> VerifiedAccessToken:
        """Verified and recorded."""
        parts = await self.parts()
        step = self._authentication(parts, token)
        caller = await verified_on_record(parts.verifier, token, step)
        await step.ended(AuditOutcome.SUCCEEDED)
        return caller

    def _authentication(self, parts: IdentityParts, token: Secret | None) -> Step:
        return parts.audit.authentication(token, self.settings.agent_audience, self.settings.agent_scope)


def _secret(token: str | Secret) -> Secret:
    """In place of `token`: no frame of an error may contain it in clear."""
    return token if isinstance(token, Secret) else Secret(token)
