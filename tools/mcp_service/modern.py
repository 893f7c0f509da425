"""MCP of 2026-07-28: no session and no handshake. Each request is one POST that says all that it needs.

https://modelcontextprotocol.io/specification/2026-07-28
"""

import asyncio
import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

import httpx

from identity.secrets.redaction import contains_encoded, redact
from identity.secrets.secret import Secret
from identity.transport.body import decode_utf8, truncate_body
from identity.transport.json_size import read_json
from tools import VERSION
from tools.elicitation import ANSWERED, Answered, InputRequired, questions_of
from tools.mcp_service.session import Call, Listing, Pages, Session
from tools.mcp_service.tool import MCPTool, result_of
from tools.mcp_service.wire import (
    CUT_OFF,
    MALFORMED,
    MCPRequestError,
    is_list_changed,
    protocol_error,
    refusal,
    response_to,
)
from tools.progress import progress
from tools.service import ToolResult

PROTOCOL_VERSION: Final = "2026-07-28"
_META: Final = "io.modelcontextprotocol/"
_HEADER_MISMATCH: Final = -32020
_CAPABILITY_MISSING: Final = -32021
_VERSION_UNSUPPORTED: Final = -32022
_OTHER_VERSION: Final = frozenset({_VERSION_UNSUPPORTED, -32600, -32601})
"""Errors of a server that has come to speak another version."""
_NO_PROOF: Final = frozenset({401, 403, 408, 429})
"""Client errors that a server of either version sends; 5xx prove nothing either."""
_MAX_ERROR_BYTES: Final = 64 * 1024
_LISTEN: Final = "subscriptions/listen"
_MAX_ROUNDS: Final = 10
"""Requests of one call. A server may ask for its repetition without a question."""
_MAX_STATE: Final = 64 * 1024
"""Characters of a `requestState`, which is sent back."""
_PAUSE: Final = 0.05
"""Seconds before a call is repeated."""
_MIN_LIST_SECONDS: Final = 5.0
"""A question and its call use one list, whatever its `ttlMs`."""
_MAX_HEADERS: Final = 8_192
"""Characters of all headers from arguments."""
_MAX_INTEGER: Final = 2**53 - 1
_Json: TypeAlias = Mapping[str, Any]
_PLAIN: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class ModernSession(Session):
    """The use of `server` in this version under one credential: nothing is opened, and nothing is left.

    A list is current for its `ttlMs`, from 5 seconds to those of `server`, so that what an operator accepts
    takes effect. A public one is shared through `server`. Changes of one that is read with the agent's own
    credential, and that the server gives no shorter time, are listened for.
    """

    version = PROTOCOL_VERSION
    _listener: asyncio.Task[None] | None = None

    async def open(self) -> bool:
        """See `Session`. The list of an unknown server is requested, which is needed anyway; a probe follows
        only if the response proves nothing. So, also after a restart of the agent, a server of this version
        receives no request that only finds it out.
        """
        if self._server.is_modern is None:
            with suppress(MCPRequestError):
                await self.listing()
        if self._server.is_modern is None:
            await self._probe()
        return bool(self._server.is_modern)

    async def _listed(self, pages: Pages) -> Listing:
        if any(page.get("resultType", "complete") != "complete" for page in pages):
            raise MCPRequestError(MALFORMED)
        seconds = self._server.seconds
        for page in pages:
            lifetime = _seconds(page, "ttlMs")
            if lifetime is not None:
                seconds = min(seconds, max(lifetime, _MIN_LIST_SECONDS))
        public = all(page.get("cacheScope") == "public" for page in pages)
        listing = await self._chosen(pages, seconds, annotated=True)
        if public:
            self._server.public = listing
        if self._is_own and seconds == self._server.seconds and (not self._listener or self._listener.done()):
            self._listener = self._send_beside(self._listen, seconds=seconds)
        return listing

    async def _listen(self) -> None:
        """Waits for one change of the list, on a stream that ends with the list at the latest."""
        changes = {"notifications": {"toolsListChanged": True}}
        if is_list_changed((await self._exchange(_LISTEN, changes))[1]):
            self._changed()

    async def _leave(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
        await super()._leave()

    async def _called(self, call: Call) -> ToolResult:
        """See `Session`.

        The capability to ask the user is declared if the user can be asked (`tools.elicitation`): then the
        result may be the server's question. A server that asks all the same gets no answer, and the call ends
        at once.
        """
        answered = ANSWERED.get() or Answered()
        rounds = answered.rounds + 1
        params: dict[str, Any] = {"name": call.tool, "arguments": dict(call.arguments)}
        first_params = dict(params)
        if answered.responses:
            first_params["inputResponses"] = dict(answered.responses)
        if answered.state is not None:
            first_params["requestState"] = answered.state.reveal()
        try:
            response = await self._send("tools/call", first_params)
            if response.get("error", {}).get("code") == _HEADER_MISMATCH:  # the annotations have changed
                self._changed()
                if call.tool not in (await self.listing()).tools:
                    return ToolResult("the server has withdrawn this tool", ok=False)
                response = await self._send("tools/call", first_params)
            while rounds < _MAX_ROUNDS and (state := _state(response)) is not None:
                await asyncio.sleep(_PAUSE)
                rounds += 1
                response = await self._send("tools/call", {**params, "requestState": state})
        except _UnsendableError as error:
            return ToolResult(str(error), ok=False, called=False)
        return _result(response, rounds, call)

    async def _is_forgotten(self, status: int) -> bool:  # noqa: ARG002 - the version says it
        return self._server.is_modern is False

    async def _send(self, method: str, params: _Json) -> _Json:
        """See `Session`. What a server of another version would respond is followed by a probe, except to the
        first list. If it is one, raises `MCPRequestError` with status 404, as if a session was forgotten.
        """
        response, answer = await self._exchange(method, params)
        status = response.status_code
        refused = not response.is_success and (not answer or status in _NO_PROOF or status >= 500)
        if refused:
            may_be_older = status in (400, 404, 405)
        else:
            may_be_older = answer.get("error", {}).get("code") in _OTHER_VERSION
        is_modern: bool | None = None
        if method == "tools/list" and self._server.is_modern is None:
            is_modern = self._judge(response, answer)
        elif may_be_older:
            is_modern = await self._probe()
        if is_modern is False:
            raise MCPRequestError(status=404)
        if refused:
            raise refusal(response, self.secret, may_renew=False)
        if not answer:
            raise MCPRequestError(CUT_OFF)
        return answer

    async def _probe(self) -> bool | None:
        """Whether the server speaks the version, by `server/discover`, which acts on nothing; kept if proved.

        `None` for a response that either version may send. Raises `MCPRequestError` if there is no response,
        or if the server speaks no version of the agent's.
        """
        return self._judge(*await self._exchange("server/discover", {}))

    def _judge(self, response: httpx.Response, answer: _Json) -> bool | None:
        """As `_probe`, by a response to it, or to a request of the list."""
        if response.status_code in _NO_PROOF or not (response.is_success or response.is_client_error):
            return None
        self._server.is_modern = _proves_modern(answer)
        return self._server.is_modern

    async def _exchange(self, method: str, params: _Json) -> tuple[httpx.Response, _Json]:
        """One POST: the response, and the message in it, which is empty without one.

        If the caller stops waiting, the connection is closed, which cancels the request at the server. Raises
        `MCPRequestError`, and `_UnsendableError` for a call.
        """
        can_ask = method == "tools/call" and ANSWERED.get() is not None
        capabilities: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}} if can_ask else {}
        meta: dict[str, Any] = {
            f"{_META}protocolVersion": PROTOCOL_VERSION,
            f"{_META}clientInfo": {"name": "idaas-agent", "version": VERSION},
            f"{_META}clientCapabilities": capabilities,
        }
        message = self._server.wire.message(method, params, meta)
        number = message["id"]
        headers = {"MCP-Protocol-Version": PROTOCOL_VERSION, "Mcp-Method": method}
        if method == "tools/call":
            name = params["name"]
            headers["Mcp-Name"] = header_value(name)
            listing = self.current or self._last
            listed = listing.tools.get(name) if listing else None
            if listed:
                headers |= _parameters(listed, params["arguments"])
            message["params"]["_meta"]["progressToken"] = number

        latest = float("-inf")
        async with self._server.wire.request(self.secret, headers, message) as response:
            if not response.is_success:
                truncate_body(response, _MAX_ERROR_BYTES)
                with suppress(ValueError):
                    if protocol_error(refused := read_json(decode_utf8(await response.aread()))):
                        return response, refused
                return response, {}
            async for received in self._server.wire.messages(response):
                if reply := response_to(number, received):
                    return response, reply
                if method == _LISTEN and is_list_changed(received):
                    return response, received
                if method == "tools/call":
                    latest = _reported(received, number, latest)
        return response, {}


def _seconds(members: _Json, name: str) -> float | None:
    """A time that is given in milliseconds, up to a day; `None` if there is no valid one."""
    milliseconds = members.get(name)  # it may be too large for a float
    if type(milliseconds) is not int or milliseconds < 0:
        return None
    return min(milliseconds, 86_400_000) / 1000


class _UnsendableError(Exception):
    """Arguments cannot be sent in headers. Its text is for the model."""


def header_value(text: str) -> str:
    """`text` as the value of a header: verbatim if it is plain ASCII, otherwise in base64.

    Raises `ValueError` for text that is not Unicode.
    """
    if _PLAIN.fullmatch(text) and not text.lower().startswith("=?base64?"):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def _parameters(tool: MCPTool, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The headers that carry arguments. Raises `_UnsendableError`."""
    headers: dict[str, str] = {}
    for path, name in tool.headers.items():
        value: Any = arguments
        for member in path:
            value = value.get(member) if isinstance(value, Mapping) else None
        if value is None:
            continue
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, int) and abs(value) <= _MAX_INTEGER:
            value = str(value)
        if not isinstance(value, str):
            raise _UnsendableError(f'the argument "{".".join(path)}" cannot be sent in a header')
        headers[f"Mcp-Param-{name}"] = header_value(value)
    if sum(map(len, headers.values())) > _MAX_HEADERS:
        raise _UnsendableError(f"arguments that are sent in headers have more than {_MAX_HEADERS} characters")
    return headers


def _proves_modern(answer: Mapping[str, Any]) -> bool:
    """Whether a response to the probe proves this version, and not an older one.

    Raises `MCPRequestError` if no version is common.
    """
    if "error" in answer:
        code = answer["error"]["code"]
        if code != _VERSION_UNSUPPORTED:
            return code in (_HEADER_MISMATCH, _CAPABILITY_MISSING)
        data = answer["error"].get("data")
        supported = data.get("supported") if isinstance(data, dict) else None
    else:
        result = answer.get("result", {})
        implied = PROTOCOL_VERSION if "resultType" in result else "2025-11-25"
        supported = result.get("supportedVersions", [implied])
    if not isinstance(supported, list):
        supported = []
    versions = [version for version in supported if isinstance(version, str)]
    if PROTOCOL_VERSION in versions:
        return True
    if any(version < PROTOCOL_VERSION for version in versions):
        return False
    raise MCPRequestError("the server speaks no version of the protocol that the agent speaks")


def _reported(message: Any, number: int, latest: float) -> float:  # noqa: ANN401 - any JSON value
    """How far the request `number` is: `latest`, or what `message` says and is reported if that is more."""
    match message:
        case {
            "method": "notifications/progress",
            "params": {"progressToken": token, "progress": int() | float() as done, **more},
        } if token == number and done > latest:
            total = more.get("total")
            text = more.get("message")
            fraction: float | None = None
            if isinstance(total, int | float) and total > 0:
                with suppress(OverflowError):
                    fraction = done / total
            if not isinstance(text, str):
                text = ""
            progress(fraction, text)
            return done
    return latest


def _state(response: Mapping[str, Any]) -> str | None:
    """The `requestState` with which a call is repeated at once: its result asks nothing.

    Raises `MCPRequestError` for one that is too large to be sent back.
    """
    match response:
        case {"result": {"resultType": "input_required", "requestState": str(state), **more}}:
            if len(state) > _MAX_STATE:
                raise MCPRequestError(f"the server sends a state of more than {_MAX_STATE} characters")
            return None if more.get("inputRequests") else state
    return None


def _result(response: Mapping[str, Any], rounds: int, call: Call) -> ToolResult:
    """The result for the model, or the questions to its user, after `rounds` requests. Neither contains a
    credential that was presented, as it was sent; a state that does, also in base64, is not kept.

    Raises `ValueError` for one of another form.
    """
    presented = call.presented
    result: _Json = response.get("result", {})
    match result.get("resultType", "complete"):
        case "complete":
            return result_of(response, presented, call.returns)
        case "input_required":
            requests = result.get("inputRequests")
            if ANSWERED.get() is None or rounds >= _MAX_ROUNDS or not isinstance(requests, dict):
                return ToolResult("the server wants to ask the user, which is not possible here", ok=False)
            try:
                questions = questions_of(redact(requests, presented))
            except ValueError as error:
                text = f"the server wants to ask the user what the agent does not ask: {error}"
                return ToolResult(text, ok=False)
            state = result.get("requestState")
            if isinstance(state, str) and contains_encoded(state, presented):
                return ToolResult("the server's state contains the credential, and is not kept", ok=False)
            secret = Secret(state) if isinstance(state, str) else None
            return ToolResult("", asks=InputRequired(questions, secret, rounds))
    raise ValueError("not a kind of result of a call")
