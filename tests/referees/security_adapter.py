"""Before an agent: what speaks the dialects of agent-security-harness.

{"message": "…", "session_id": "…"}   {"method": "approvals/request", …}   a run over AG-UI
{"method": "message/send", …}   the agent's A2A, which requires a `messageId`
{"method": "agent/shutdown"}   the operator's switch

Each request has the token that the suite sends, or none, and a refusal of the agent's is passed on as it is.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import httpx
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from tests.graph.scripted_model import calls
from tests.loopback import NO_TLS

TOOL: Final = "perform"
_CALL: Final = "perform "
_NOTHING: Final = "I cannot help with anything else, and I have no record of it."
_POLL: Final = 0.02
"""Seconds after which the server sees that it is to end."""


def turn(messages: Sequence[AnyMessage]) -> AIMessage:
    """The model of these runs: it repeats all earlier messages of its context, and declines the rest. A
    message that begins with `perform` is a call.
    """
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return AIMessage(last.text)
    if isinstance(last, HumanMessage) and last.text.startswith(_CALL):
        return calls((TOOL, json.loads(last.text.removeprefix(_CALL))))
    earlier = [message.text for message in messages[:-1] if isinstance(message, HumanMessage)]
    return AIMessage(" ".join([*earlier, _NOTHING]))


@dataclass(slots=True)
class Adapter:
    """A context whose value is the address. `kill` is what the suite's kill switch does."""

    agent_url: str
    kill: Callable[[], None] | None = None
    _server: ThreadingHTTPServer = field(init=False)
    _thread: Thread = field(init=False)
    _denied: dict[str, str] = field(default_factory=dict, init=False)
    """The conversations of calls that were refused."""

    def __enter__(self) -> str:
        adapter = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size))
                self._respond(*adapter.respond(body, self.headers.get("Authorization")))

            def do_GET(self) -> None:
                path = self.path.replace("/.well-known/agent.json", "/.well-known/agent-card.json")
                response = httpx.get(f"{adapter.agent_url}{path}", verify=NO_TLS)
                self._respond(response.status_code, response.json())

            def _respond(self, status: int, body: Any) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL,))
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def respond(self, body: Mapping[str, Any], token: str | None) -> tuple[int, Any]:
        """The status and the body of a response."""
        params = body.get("params") or {}
        match body:
            case {"method": "agent/shutdown"} if self.kill is not None:
                self.kill()
                return 200, _result(body, {"ended": True})
            case {"method": "approvals/request"}:
                run = self._approval(params, token)
            case {"method": "message/send", "params": {"message": dict(message)}}:
                sent = params | {"message": {"messageId": uuid.uuid4().hex} | message}
                run = Run(self._post("/a2a", {**body, "params": sent}, token))
            case {"message": str(text)}:
                run = self._say(text, body.get("session_id"), token)
            case _:
                run = Run(self._post("/a2a", body, token))
        if run.response.status_code != httpx.codes.OK or "method" not in body:
            return run.response.status_code, run.refusal or {"response": run.text}
        return run.response.status_code, run.answer(body)

    def _say(self, text: str, session: str | None, token: str | None) -> "Run":
        thread = uuid.uuid5(uuid.NAMESPACE_URL, session) if session else uuid.uuid4()
        return self._run(thread.hex, token, messages=[_message(text)])

    def _approval(self, params: Mapping[str, Any], token: str | None) -> "Run":
        """Has the model make a call that asks; one with the decision `deny` is refused."""
        target = params.get("target") or params.get("ref") or "none"
        arguments = {"action": str(params["action"]), "target": str(target)}
        call = json.dumps([token, arguments])
        thread = self._denied.get(call, uuid.uuid4().hex)
        run = self._run(thread, token, messages=[_message(_CALL + json.dumps(arguments))])
        if params.get("decision") == "deny" and run.interrupts:
            answer = {"interruptId": run.interrupts[0]["id"], "status": "resolved"}
            self._run(thread, token, resume=[answer | {"payload": {"approved": False}}])
            self._denied[call] = thread
        return run

    def _run(self, thread: str, token: str | None, **members: Any) -> "Run":
        body = {"threadId": thread, "runId": uuid.uuid4().hex, "messages": [], **members}
        return Run(self._post("/ag-ui/agent", body, token))

    def _post(self, path: str, body: Mapping[str, Any], token: str | None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": token}
        return httpx.post(f"{self.agent_url}{path}", json=body, headers=headers, timeout=60, verify=NO_TLS)


@dataclass(frozen=True, slots=True)
class Run:
    """What the agent has responded with."""

    response: httpx.Response

    @property
    def refusal(self) -> Any:
        """The body of a response that is no stream of events."""
        if "event-stream" in self.response.headers.get("Content-Type", ""):
            return None
        return self.response.json()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a run."""
        lines = self.response.text.splitlines()
        return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]

    @property
    def text(self) -> str:
        """The text of the agent."""
        return "".join(event["delta"] for event in self.events if event["type"] == "TEXT_MESSAGE_CONTENT")

    @property
    def interrupts(self) -> list[dict[str, Any]]:
        """The questions with which the run waits."""
        outcome = self.events[-1].get("outcome") or {} if self.refusal is None else {}
        listed: list[dict[str, Any]] = outcome.get("interrupts", [])
        return listed

    def answer(self, asked: Mapping[str, Any]) -> Any:
        """In the form of JSON-RPC."""
        if self.refusal is not None:
            return self.refusal
        return _result(asked, {"approvals": self.interrupts})


def _result(asked: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": asked.get("id"), "result": result}


def _message(text: str) -> dict[str, str]:
    return {"id": uuid.uuid4().hex, "role": "user", "content": text}
