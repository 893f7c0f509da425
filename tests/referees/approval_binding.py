"""The suite `approval-binding` of agent-security-harness: what an approval lets the agent do.

The suite brings no client: it asks the adapter below to have a call approved, to make a call, to declare a
rule that denies one, and what was executed. What was executed is what the tool has written down.
"""

import json
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import httpx
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from sandbox.state.directory import LEAVE_AUDIENCE
from tests.graph.scripted_model import DONE, ScriptedModel, calls
from tests.loopback import NO_TLS
from tests.referees.referee import SKIPPED, Case
from tests.referees.served_agent import served_agent

TOOL: Final = "write_file"
_CODE: Final = '''
import json
from pathlib import Path

from idaas_agent import Effect, ToolPolicy


def service(files, settings):
    @files.tool(policy=ToolPolicy(Effect.WRITE))
    async def write_file(http, path: str, content: str) -> str:
        """Writes a file."""
        with Path(settings["record"]).open("a") as record:
            record.write(json.dumps({"path": path, "content": content}) + "\\n")
        return "written"
'''
_RULES: Final = '@id("all") permit (principal, action, resource);\n'
_RULE: Final = (
    'forbid (principal, action == Action::"files.write_file", resource)\n'
    "when {{ context.input.path == {path} && context.input.content == {content} }};\n"
)
_END: Final = "// end\n"
_SECONDS: Final = 1.0
"""A changed policy file is in force half a second later."""


def run(folder: Path) -> Iterable[Case]:
    """The tests of the suite."""
    sys.path.insert(0, str(folder))
    harness = import_module("protocol_tests.approval_binding_harness")
    with tempfile.TemporaryDirectory(prefix="approvals-") as name:
        files = Path(name)
        with served_agent(ScriptedModel(turns=[_turn]), **written(files)) as agent:
            token = agent.headers()["Authorization"]
            with httpx.Client(base_url=agent.url, headers={"Authorization": token}, verify=NO_TLS) as http:
                results = harness.ApprovalBindingHarness(Target(http, files), TOOL).run_all()
    for result in results:
        fault = "" if result.passed else result.details
        if result.not_evaluated:
            fault = SKIPPED + result.details
        yield Case("approval-binding", f"{result.test_id} {result.name}", fault)


def written(files: Path) -> dict[str, str]:
    """Writes the agent's files: its tool, whose executions are kept in `executions`, and its policy."""
    (files / "files.py").write_text(_CODE)
    (files / "executions").touch()
    (files / "policy.cedar").write_text(_RULES + _END)
    (files / "services.toml").write_text(
        "[services.files]\n"
        'type = "http"\n'
        'url = "https://files.example"\n'
        f'access_token = "{LEAVE_AUDIENCE}|leave.write"\n'
        'python = "files.py:service"\n'
        f"settings = {{ record = {json.dumps(str(files / 'executions'))} }}\n"
    )
    return {"SERVICES_FILE": str(files / "services.toml"), "POLICY_FILE": str(files / "policy.cedar")}


def _turn(messages: Sequence[AnyMessage]) -> AIMessage:
    """Makes the call that the user has written."""
    last = messages[-1]
    return calls((TOOL, json.loads(last.text))) if isinstance(last, HumanMessage) else DONE


@dataclass(slots=True)
class Target:
    """What the suite asks. An approval is a question of the agent's, which is answered at the call: with yes
    in its own conversation, and by its id in the conversation in which the model makes another call.
    """

    http: httpx.Client
    files: Path
    _approved: tuple[Mapping[str, str], str, str] | None = field(default=None, init=False)
    """The arguments of the last question, its conversation, and its id."""

    def __call__(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The response to one request."""
        match request["op"]:
            case "profile":
                return _serviced(single_use=True)
            case "executions":
                return _serviced(executions=self._executions())
            case "declare":
                self._deny(request["deny"]["args"])
                return _serviced(declared=True)
            case "approve":
                return _serviced(approved=self._ask(request["args"]))
            case _:
                self._call(request["args"])
                return _serviced()

    def _executions(self) -> list[dict[str, Any]]:
        lines = (self.files / "executions").read_text().splitlines()
        return [{"tool": TOOL, "args": json.loads(line)} for line in lines]

    def _deny(self, arguments: Mapping[str, str]) -> None:
        rule = _RULE.format(**{name: json.dumps(value) for name, value in arguments.items()})
        changed = self.files / "policy.new"
        changed.write_text(_RULES + rule + _END)
        changed.replace(self.files / "policy.cedar")
        time.sleep(_SECONDS)

    def _ask(self, arguments: Mapping[str, str]) -> bool:
        """Whether the agent asks about the call."""
        thread = uuid.uuid4().hex
        interrupt = self._begin(thread, arguments)
        if interrupt is None:
            return False
        self._approved = (arguments, thread, interrupt)
        return True

    def _call(self, arguments: Mapping[str, str]) -> None:
        assert self._approved is not None
        approved, thread, interrupt = self._approved
        if arguments == approved:
            self._answer(thread, interrupt)
            return
        another = uuid.uuid4().hex
        self._begin(another, arguments)
        self._answer(another, interrupt)

    def _begin(self, thread: str, arguments: Mapping[str, str]) -> str | None:
        """Has the model make the call. The id of the question, if there is one."""
        message = {"id": uuid.uuid4().hex, "role": "user", "content": json.dumps(arguments)}
        end = self._run(thread, messages=[message])
        outcome = end.get("outcome", {})
        return outcome["interrupts"][0]["id"] if outcome.get("type") == "interrupt" else None

    def _answer(self, thread: str, interrupt: str) -> None:
        answer = {"interruptId": interrupt, "status": "resolved", "payload": {"approved": True}}
        self._run(thread, resume=[answer])

    def _run(self, thread: str, **members: Any) -> dict[str, Any]:
        """The last event of a run, or the body of a refusal."""
        body = {"threadId": thread, "runId": uuid.uuid4().hex, "messages": [], **members}
        response = self.http.post("/ag-ui/agent", json=body, timeout=60)
        end: dict[str, Any] = json.loads(response.text.rstrip().rpartition("data: ")[2])
        return end


def _serviced(**members: Any) -> dict[str, Any]:
    return {"_status": 200, **members}
