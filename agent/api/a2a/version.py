"""The versions of A2A that the agent speaks, by the header `A2A-Version`."""

from typing import Protocol

from agent.api.a2a.members import OLDER_VERSION, PROTOCOL_VERSION, Members
from agent.api.a2a.rpc_error import RpcCode, RpcError
from agent.api.a2a.rpc_request import RpcRequest
from agent.api.a2a.version_0_3 import Version03


class Version(Protocol):
    """The wire form of one version."""

    def request(self, given: RpcRequest) -> RpcRequest:
        """The same request with the names of version 1.0."""
        ...

    def result(self, update: Members, *, one_kind: bool = False) -> Members:
        """The result for an object of version 1.0 in its wrapper, such as `{"task": …}`.

        With `one_kind` the method has no other result, and so no wrapper.
        """
        ...


class Version10:
    """See `Version`."""

    def request(self, given: RpcRequest) -> RpcRequest:
        """See `Version`."""
        return given

    def result(self, update: Members, *, one_kind: bool = False) -> Members:
        """See `Version`."""
        if one_kind:
            [found] = update.values()
            return dict(found)
        return update


def version_of(header: str | None) -> Version:
    """The version of a request, 0.3 or 1.x. A client that sends no header has 0.3. Raises `RpcError`."""
    major, _, minor = (header or "").strip().partition(".")
    if not major or (major == "0" and minor.partition(".")[0] == "3"):
        return Version03()
    if major == "1" and minor.isascii() and minor.replace(".", "").isdigit():
        return Version10()
    text = f"The version in the header A2A-Version must be {PROTOCOL_VERSION} or {OLDER_VERSION}"
    raise RpcError(RpcCode.VERSION_NOT_SUPPORTED, text)
