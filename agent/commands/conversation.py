"""A conversation with a running agent over AG-UI, on a terminal: answers, calls, and decisions."""

import json
import shlex
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from agent.commands.answer_text import AnswerText
from agent.commands.authorities import authorities_for
from agent.commands.keyboard import read_answer
from agent.commands.terminal import err, out, own_command, stop
from graph.approvals.record import PERSON
from identity.credentials.rights import LABELS, rights_of
from identity.printable import printable_json, printable_line
from identity.strict_json import read_object

_TIMEOUT: Final = httpx.Timeout(10, read=300)
DEFAULT_URL: Final = "http://localhost:9002"
_CUT_OFF: Final = {
    "length": "The answer was cut off at the limit of the language model.",
    "content_filter": "The rest of the answer was withheld by the filter of the language model.",
}
"""By finish reason."""
_QUESTIONS: Final = {
    "tool_call": "Approve? [y/n/e] (e changes the arguments) ",
    "consent_required": "Allowed? [y/n] ",
    "sign_in_required": "Signed in again? [y/n] ",
    "elicitation": "Answer it so? [y/n/e/c] (e changes the answer, n declines, c dismisses the question) ",
}
"""By the kind of what the run waits for."""


class RefusedError(Exception):
    """The agent's refusal or failure, as its text for the person."""

    def __init__(self, error: object) -> None:
        self.code = ""
        text = "the response is not an agent's"
        if isinstance(error, dict) and "message" in error:
            self.code = str(error.get("code"))
            text = f"{error['message']} ({error.get('code')})"
        super().__init__(text)


@dataclass
class Conversation:
    """One conversation. `token` is called for each request, so that a sign-in can be renewed meanwhile.

    `can_ask`: whether a person can decide about calls here. The agent stores the conversation; one that does
    not store any receives it whole with each question.
    """

    url: str
    thread: str
    token: Callable[[], str]
    can_ask: bool
    messages: list[dict[str, str]] = field(default_factory=list)
    """The messages of the person and of the model, as far as they are known here."""
    _tools: dict[str, str] = field(default_factory=dict)
    """The names of tools by the ids of calls."""
    _answer: AnswerText = field(default_factory=lambda: AnswerText(out))

    @property
    def command(self) -> str:
        """The command that continues the conversation in this shell."""
        address = "" if self.url == DEFAULT_URL else f" --url {shlex.quote(self.url)}"
        return f"{own_command()} chat{address} --thread {shlex.quote(self.thread)}"

    def show_latest(self) -> None:
        """Shows the last question and its answer."""
        for message in self.messages[-2:]:
            if message["role"] == "user":
                out.print(message["content"], style="dim")
                continue
            self._answer.add(message["content"])
            self._answer.end()

    def ask(self, question: str) -> None:
        """Sends the question and shows what follows, until the run has ended. Raises `RefusedError`.

        Stops the command if the run waits for a decision that cannot be made here.
        """
        before = self.messages
        self.messages = [*before, {"id": uuid.uuid4().hex, "role": "user", "content": question}]
        try:
            self._decide(self._run(self.messages))
        except RefusedError:
            self.messages = before
            raise

    def reopen(self) -> None:
        """Reads the conversation, follows its run, and asks what it waits for. Raises `RefusedError`."""
        interrupts = self._run([])
        if interrupts and _about(interrupts[0]).get("approvers") and self._continue():
            interrupts = self._run([])
        self._decide(interrupts)

    def _continue(self) -> bool:
        """Goes on with a call that another person has decided about. Whether they have."""
        address = f"{self.url}/threads/{self.thread}/continue"
        response = httpx.post(
            address, headers=self._headers(), timeout=_TIMEOUT, verify=authorities_for(self.url)
        )
        return response.status_code == httpx.codes.ACCEPTED

    def cancel(self) -> None:
        """Ends the run. When it returns, the agent accepts the next question."""
        address = f"{self.url}/threads/{self.thread}/cancel"
        with suppress(httpx.TransportError):
            httpx.post(address, headers=self._headers(), timeout=_TIMEOUT, verify=authorities_for(self.url))
        self._answer.end()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}

    def _run(self, messages: list[dict[str, str]], resume: dict[str, Any] | None = None) -> list[Any]:
        """Shows one run; the interrupts with which it ends."""
        body: dict[str, Any] = {"threadId": self.thread, "runId": uuid.uuid4().hex, "messages": messages}
        if resume is not None:
            body["resume"] = [resume]
        interrupts: list[Any] = []
        with httpx.stream(
            "POST",
            f"{self.url}/ag-ui/agent",
            json=body,
            headers=self._headers(),
            timeout=_TIMEOUT,
            verify=authorities_for(self.url),
        ) as response:
            if response.status_code != httpx.codes.OK:
                response.read()
                raise RefusedError(_object(response.text).get("error"))
            try:
                for event in _events(response.iter_lines()):
                    self._show(event)
                    outcome = event.get("outcome")
                    if isinstance(outcome, dict):
                        interrupts = list(outcome.get("interrupts", ()))
            finally:
                self._answer.end()
        return interrupts

    def _show(self, event: dict[str, Any]) -> None:
        about = _about(event)
        if event.get("type") != "TEXT_MESSAGE_CONTENT":
            self._answer.pause()
        match event.get("type"):
            case "TEXT_MESSAGE_START":
                message = {"id": str(event.get("messageId")), "role": "assistant", "content": ""}
                self.messages.append(message)
            case "TEXT_MESSAGE_CONTENT":
                delta = str(event.get("delta"))
                self._answer.add(delta)
                if self.messages and self.messages[-1]["role"] == "assistant":
                    self.messages[-1]["content"] += delta
            case "TEXT_MESSAGE_END":
                self._answer.end()
            case "TOOL_CALL_START":
                self._tools[str(event.get("toolCallId"))] = str(event.get("toolCallName"))
            case "TOOL_CALL_RESULT":
                called = about | {"tool": self._tools.get(str(event.get("toolCallId")))}
                err.print(
                    f"· {_call(called)} {_outcome(about)}, {about.get('duration_ms', 0)} ms", style="dim"
                )
            case "CUSTOM" if event.get("name") == "idaas-agent:consent_required":
                value = event["value"]
                err.print(f"· {value['service']} needs your consent: open {value['url']} and ask again")
            case "CUSTOM" if event.get("name") == "idaas-agent:services_unavailable":
                for service, code in event["value"]["services"].items():
                    err.print(f"· answered without {service}, which is unavailable ({code})", style="dim")
            case "CUSTOM" if event.get("name") == "idaas-agent:notice":
                err.print(f"· {event['value']['text']}")
            case "MESSAGES_SNAPSHOT":
                texts = [message for message in event["messages"] if isinstance(message.get("content"), str)]
                self.messages = [
                    {name: message[name] for name in ("id", "role", "content")}
                    for message in texts
                    if message["role"] in ("user", "assistant")
                ]
            case "RUN_FINISHED" if note := _CUT_OFF.get(str(about.get("finish_reason"))):
                err.print(note, style="dim")
            case "RUN_ERROR":
                raise RefusedError(event)

    def _decide(self, interrupts: list[Any]) -> None:
        """Asks the person about each call that waits, until the run has ended."""
        while interrupts:
            try:
                interrupts = self._run([], self._decision(interrupts[0]))
            except RefusedError as error:
                if not error.code.startswith("approval_"):
                    raise
                err.print(str(error), style="red")
                interrupts = self._run([])  # what is open now

    def _decision(self, interrupt: dict[str, Any]) -> dict[str, Any]:
        """The answer to one interrupt."""
        approval = _about(interrupt)
        if approval.get("kind") == "elicitation":
            fields = approval.get("parameters", {}).get("properties", {})
            err.print_lines(
                f"· {printable_line(name)}: {printable_line(about)}" for name, about in fields.items()
            )
        err.print_lines(str(interrupt.get("message", "")).split("\n"))
        if approval.get("tool"):
            scope = approval.get("scope") or approval.get("credential") or "no credential"
            err.print_lines([f"{_call(approval)}, with {scope}"])
        if group := approval.get("approvers"):
            stop(
                f"the call waits for the decision of {_who(group)}",
                f"they decide on the page, or by POST /approvals/{interrupt['id']}; then go on:"
                f" {self.command}",
            )
        if "url" in approval:
            host = (approval.get("question") or {}).get("host")
            what = "allow the access" if host is None else f"go on there. Its host is {host}"
            err.print(f"  open {approval['url']} and {what}")
        question = _QUESTIONS.get(str(approval.get("kind")))
        if question is None or not self.can_ask:
            stop(
                "the run waits for your decision, and it cannot be made here",
                f"decide on the page, or on a terminal: {self.command}",
            )
        answer: dict[str, Any] = {"interruptId": interrupt["id"], "status": "resolved"}
        while True:
            match read_answer(question).strip().lower():
                case "y" | "yes":
                    return answer | {"payload": {"approved": True}}
                case "n" | "no":
                    return answer | {"payload": {"approved": False}}
                case "c" if approval.get("kind") == "elicitation":
                    return answer | {"payload": {"action": "cancel"}}
                case "e" if approval.get("kind") == "tool_call" or "parameters" in approval:
                    with suppress(ValueError):
                        edited = _edited(approval.get("arguments", {}))
                        return answer | {"payload": {"approved": True, "editedArgs": edited}}
                    err.print("the arguments must be one JSON object", style="red")


def _edited(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the person changes them. Raises `ValueError` for what is no JSON object."""
    text = " ".join(line.strip() for line in printable_json(arguments).split("\n"))
    return read_object(read_answer("arguments: ", begins_with=text).encode())


def _call(about: dict[str, Any]) -> str:
    """A call, and whose rights it uses; one that was not made used none."""
    identity = about.get("access_identity")
    tool = about.get("tool") or ""
    name = f"{about.get('service') or 'unknown'}.{tool}" if tool else str(about.get("service") or "unknown")
    if about.get("called") is False:
        return name
    label = LABELS[rights_of(identity, about.get("credential_kind"))]
    return f"{name} {label} [{identity}]"


def _outcome(about: dict[str, Any]) -> str:
    """How a call ended."""
    if about.get("ok"):
        return "ok"
    if about.get("called") is False:
        return f"not called ({about['error']})" if about.get("error") else "not called"
    return f"failed ({about.get('error', 'by the tool')})"


def _about(event: dict[str, Any]) -> dict[str, Any]:
    """The members that AG-UI does not have."""
    metadata = event.get("metadata")
    about = metadata.get("idaas-agent") if isinstance(metadata, dict) else None
    return about if isinstance(about, dict) else {}


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data:"):
            yield _object(line.removeprefix("data:"))


def _object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _who(approvers: str) -> str:
    """Who decides about a call: a group, or one person, whose `sub` it names."""
    if not approvers.startswith(PERSON):
        return f'another person of the group "{printable_line(approvers)}"'
    return f'the person "{printable_line(approvers.removeprefix(PERSON))}"'
