"""For whom code runs: the caller of the LangGraph run in progress, or of `Identity.acting_for`.

Nothing here verifies a token: what is found is verified anew at each use (`Identity.caller_of_run`).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from langgraph.config import get_config
from langgraph.runtime import Runtime, get_runtime

from idaas_agent.library.token_references import REFERENCE, member_of, token_references
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError
from identity.secrets.secret import Secret

MEMBER: Final = "access_token"
"""The member of a run's context."""
_SERVER_USER: Final = "langgraph_auth_user"


@dataclass(kw_only=True)
class IdentityContext:
    """The context of a run: `agent.ainvoke(…, context=IdentityContext(access_token=token))`.

    Subclass it for members of your own. The token is kept as a `Secret`, also if it is given as a text: no
    `repr`, trace or checkpoint shows it.
    """

    access_token: Secret | str | None = field(default=None, repr=False)

    def __setattr__(self, name: str, value: object) -> None:
        if name == MEMBER and isinstance(value, str):
            value = Secret(value)
        object.__setattr__(self, name, value)


def token_in(context: object) -> Secret | None:
    """The access token of a run's context: an `IdentityContext`, or any object or mapping with that member.

    Raises `AccessTokenError` if it is neither a text nor a `Secret`.
    """
    found = member_of(context, MEMBER)
    if found is None or isinstance(found, Secret):
        return found
    if isinstance(found, str):
        return Secret(found)
    detail = f'"{MEMBER}" of the run\'s context must be a str or a Secret, found {type(found).__name__}'
    raise AccessTokenError(IdentityCode.ACCESS_TOKEN_INVALID, detail)


def context_of_run() -> object | None:
    """The context of the LangGraph run in progress; `None` outside of a run, and if it has none."""
    try:
        runtime: Runtime[Any] | None = get_runtime()
    except (RuntimeError, KeyError):
        return None
    return None if runtime is None else runtime.context


def token_of_server_user() -> Secret | None:
    """The access token of the request on LangGraph Server that began the run; `None`: it has no user of
    `Identity.langgraph_auth`. Of what clients send, nothing is read.

    Raises `AccessTokenError` (`sign_in_required`) if the token is no longer at hand.
    """
    try:
        user = get_config().get("configurable", {}).get(_SERVER_USER)
    except RuntimeError:
        return None
    reference = member_of(user, REFERENCE)
    if reference is None:
        return None
    token = token_references.find(reference, member_of(user, "identity"))
    if token is None:
        raise AccessTokenError(IdentityCode.SIGN_IN_REQUIRED, "the token of the run's caller is gone")
    return token


@dataclass(eq=False, slots=True)
class _Acting:
    """A block of code that acts for the bearer of `token`, for one `owner`."""

    owner: object
    token: Secret
    within: object | None
    """The context of the run in which the block began."""
    outer: "_Acting | None"
    ended: bool = False


_ACTING: Final[ContextVar[_Acting | None]] = ContextVar("idaas_agent.acting_for", default=None)


@contextmanager
def acting(owner: object, token: Secret, *, until_end: bool = False) -> Iterator[None]:
    """The code of the block, and the tasks that begin in it, act for the bearer of `token`.

    With `until_end`, tasks that outlive the block act for nobody from then on.
    """
    entered = _Acting(owner, token, context_of_run(), _ACTING.get())
    reset = _ACTING.set(entered)
    try:
        yield
    finally:
        entered.ended = until_end
        with suppress(ValueError):  # it ends in another context, such as a fixture of a test
            _ACTING.reset(reset)


def current_token(owner: object) -> Secret | None:
    """The access token of the caller for whom the code runs now; `None`: there is none.

    Of a run and a block, the inner one counts: that of a run's context, unless the block began in this run.
    """
    block = _ACTING.get()
    while block is not None and block.owner is not owner:
        block = block.outer
    if block is not None and block.ended:
        block = None
    context = context_of_run()
    if block is not None and (context is None or block.within is context):
        return block.token
    token = token_of_server_user() or token_in(context)
    return block.token if token is None and block is not None else token
