"""A person's answer, in each form in which the known clients send one.

    {"decisions": [{"type": "approve"}]}                                    LangChain, agent-chat-ui
    {"type": "edit", "edited_action": {"name": "pay", "args": {…}}}         LangChain, one call
    [{"type": "accept" | "ignore" | "response" | "edit", "args": …}]        Agent Inbox
    {"approved": true, "arguments": {…}}  {"approved": false, "message"}    AG-UI, CopilotKit, the page
    {"action": "accept" | "decline" | "cancel", "content": {…}}             MCP, to a question of a server

Approvals in LangChain's forms and in the last one may have `lasting`: what they approve beyond this call, as
it was offered with the question, or less.

Everything else is no answer: `null`, `{}`, a text, a chat message, several decisions, an object that could be
read in two ways. The call then stays unapproved, and the person is asked again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from graph.approvals.record import ApprovalKind, ApprovalRequest, PendingApproval
from graph.call_arguments import are_valid_arguments
from graph.error_codes import invalid_approval
from graph.server_question import question_in
from graph.tool_calls.default_arguments import with_defaults
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError
from identity.strict_json import read_value
from tools.arguments.fault import ArgumentFault
from tools.elicitation import content_faults, defaults
from tools.lasting import Lasting
from tools.service import Access, Service, ToolSchema, node_of, offered_tool

MAX_MESSAGE: Final = 2_000
"""Characters of the person's words that are kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`arguments` are edited ones, `tool` the tool that the edit names; `None`: as asked. `lasting` is as the
    client sent it, `granted` as it was read. `dismissed`: without a choice, which counts as a rejection.
    """

    approved: bool
    arguments: Mapping[str, Any] | None = None
    tool: str | None = None
    message: str | None = None
    lasting: object = None
    granted: Lasting | None = None
    dismissed: bool = False

    @property
    def response(self) -> dict[str, Any]:
        """The answer to the question of a server, in its protocol's form."""
        if not self.approved:
            action = "cancel" if self.dismissed else "decline"
            return {"action": action}
        if self.arguments is None:
            return {"action": "accept"}
        return {"action": "accept", "content": dict(self.arguments)}


def require_signed_in(caller: VerifiedAccessToken, now: float) -> None:
    """Raises `AccessTokenError` (`sign_in_required`) if the token has expired, and `ApprovalError` if it is a
    client's: people decide.

    The verifier's leeway allows for clocks that differ, and is no time to decide in.
    """
    if caller.expires_at <= now:
        raise AccessTokenError(IdentityCode.SIGN_IN_REQUIRED, "the token of the decision has expired")
    if caller.is_client:
        raise invalid_approval("a client decides about nothing")


def parse_answer(value: object, approval_id: str | None = None) -> Answer | None:
    """The answer in `value`; `None` if it is none. `{approval_id: answer}` is accepted too."""
    if isinstance(value, Mapping) and set(value) == {approval_id}:
        value = value[approval_id]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return _inbox_answer(value[0]) if len(value) == 1 else None
    if not isinstance(value, Mapping) or "messages" in value:
        return None
    forms = set(value) & {"decisions", "type", "approved", "action"}
    if forms == {"action"}:
        return _elicited(value)
    if forms == {"decisions"}:
        decisions = value["decisions"]
        single = isinstance(decisions, list | tuple) and len(decisions) == 1
        return _decision(decisions[0]) if single else None
    if forms == {"type"}:
        return _decision(value)
    return _boolean(value) if forms == {"approved"} else None


def _decision(value: object) -> Answer | None:
    match value:
        case {"type": "approve", **others}:
            return Answer(approved=True, lasting=others.get("lasting"))
        case {"type": "edit", "edited_action": {"name": str(tool), "args": Mapping() as arguments}, **others}:
            return Answer(approved=True, arguments=arguments, tool=tool, lasting=others.get("lasting"))
        case {"type": "reject" | "respond", **others}:
            return _rejection(others.get("message"))
    return None


def _inbox_answer(value: object) -> Answer | None:
    match value:
        case {"type": "accept"}:
            return Answer(approved=True)
        case {"type": "edit", "args": {"action": str(tool), "args": Mapping() as arguments}}:
            return Answer(approved=True, arguments=arguments, tool=tool)
        case {"type": "ignore"}:
            return Answer(approved=False)
        case {"type": "response", "args": str(words)}:
            return _rejection(words)
    return None


def _elicited(value: Mapping[str, Any]) -> Answer | None:
    match value:
        case {"action": "accept", **others} if isinstance(content := others.get("content"), Mapping | None):
            return Answer(approved=True, arguments=content)
        case {"action": "decline" | "cancel" as action}:
            return Answer(approved=False, dismissed=action == "cancel")
    return None


def _boolean(value: Mapping[str, Any]) -> Answer | None:
    if value["approved"] is False:
        return _rejection(value.get("message"))
    edits = [value[name] for name in ("arguments", "editedArgs") if value.get(name) is not None]
    if value["approved"] is not True or len(edits) > 1 or not all(isinstance(e, Mapping) for e in edits):
        return None
    arguments = edits[0] if edits else None
    return Answer(approved=True, arguments=arguments, lasting=value.get("lasting"))


def _rejection(words: object) -> Answer | None:
    """A rejection whose words are no text is no answer: it may be something else."""
    if words is not None and not isinstance(words, str):
        return None
    return Answer(approved=False, message=(words or "").strip()[:MAX_MESSAGE] or None)


def edited_arguments(answer: Answer, tool: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The edited arguments of `answer` for a call of `tool`, about which was asked with `asked`.

    Clients whose edit names the tool may send every value as text: where a value of `asked` is no text, the
    text is read as JSON of the same type. Not checked: the schema of the tool.
    Raises `ApprovalError` if that fails, if the answer names another tool, and if the result is not valid.
    """
    if answer.tool not in (None, tool):
        raise invalid_approval("the edit names another tool")
    edited = dict(answer.arguments or {})
    if answer.tool is not None:
        edited = {name: _of_type(name, value, asked.get(name)) for name, value in edited.items()}
    if not are_valid_arguments(edited):
        text = "must be a JSON object, nested at most 32 levels, with integers of at most 64 bits"
        raise invalid_approval(f"the edited arguments {text}", "")
    return edited


def _of_type(name: str, value: object, asked: object) -> object:
    """`value`, or what it contains as text if `asked` is no text."""
    if not isinstance(value, str) or asked is None or isinstance(asked, str):
        return value
    try:
        read = read_value(value.encode())
    except ValueError:
        read = None
    numbers = isinstance(read, int | float) and isinstance(asked, int | float)
    same = numbers and not isinstance(read, bool) and not isinstance(asked, bool)
    if not same and type(read) is not type(asked):
        raise invalid_approval("an edited value is of another type than the one that was shown", name)
    return read


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads answers by one rule, for every surface that takes them and for the graph. `access` returns a
    caller's access to the service of a name.
    """

    services: Mapping[str, Service]
    access: Callable[[str, VerifiedAccessToken], Access]

    async def faults(
        self, service: str, tool: str, arguments: Mapping[str, Any], caller: VerifiedAccessToken
    ) -> Sequence[ArgumentFault]:
        """Why the service would refuse the arguments. Raises as `Service.argument_faults` does."""
        if (called := self.services.get(service)) is None:
            return ()
        return await called.argument_faults(tool, arguments, self.access(service, caller))

    def parameters(self, asked: ApprovalRequest, caller: VerifiedAccessToken) -> Mapping[str, Any] | None:
        """The JSON Schema of the tool's arguments, if it is known without asking the service; of a question,
        that of its form.
        """
        question = question_in(asked.extensions)
        if question is not None:
            return question.get("schema")
        node = node_of(self.services, asked.service, asked.tool)
        called = self.services.get(node)
        tools = called and called.cached_tools(self.access(node, caller))
        return next((tool.parameters for tool in tools or () if tool.name == asked.tool), None)

    async def read(self, value: object, asked: PendingApproval, caller: VerifiedAccessToken) -> Answer:
        """The answer in `value` to what `caller` was asked, with the arguments that it approves.

        Raises `ApprovalError` (`approval_invalid`) if it is none, if it grants more than was offered, or if
        edited arguments break the schema of the tool, with the first faulty one; and as `faults` does. Then
        the approval stays open.
        """
        request = asked.request
        if request.approvers is not None:
            text = f'approval {request.id} is decided by another person, of the group "{request.approvers}"'
            raise invalid_approval(text)
        answer = parse_answer(value, request.id)
        if answer is None:
            raise invalid_approval(f"no answer to approval {request.id}")
        if not answer.approved:
            return answer
        question = question_in(request.extensions)
        if question is not None:
            return _granted(_content(answer, asked, question), asked)
        if answer.arguments is None:
            return _granted(replace(answer, arguments=dict(asked.arguments)), asked)
        if request.kind is not ApprovalKind.TOOL_CALL:
            raise invalid_approval(f"approval {request.id} is about no arguments")
        arguments = edited_arguments(answer, request.tool, asked.arguments)
        node = node_of(self.services, request.service, request.tool)
        service = self.services.get(node)
        tool: ToolSchema | None = None
        if service is not None:
            tool = await offered_tool(service, request.tool, self.access(node, caller))
        if tool is not None:
            arguments = with_defaults(arguments, tool.parameters)
        for fault in await self.faults(node, request.tool, arguments, caller):
            text = f"the edited arguments of approval {request.id} do not fit the tool"
            raise invalid_approval(text, fault.argument)
        return _granted(replace(answer, arguments=arguments), asked)


def _content(answer: Answer, asked: PendingApproval, question: Mapping[str, Any]) -> Answer:
    """`answer` with the content of the form; without any, that which the form begins with."""
    if answer.arguments is None:
        answer = replace(answer, arguments=asked.arguments)
    content = edited_arguments(answer, asked.request.tool, defaults(question, samples=True))
    for fault in content_faults(question, content):
        text = f"the answer to {asked.request.id} does not fit the question"
        raise invalid_approval(text, fault.argument)
    if question["mode"] != "form":
        return replace(answer, arguments=None)
    return replace(answer, arguments=content)


def _granted(answer: Answer, asked: PendingApproval) -> Answer:
    """`answer` with what it approves beyond the call. Raises `ApprovalError`."""
    if answer.lasting is None:
        return answer
    fault = f"the lasting answer to approval {asked.request.id}"
    if asked.lasting is None:
        raise invalid_approval(f"{fault} is not offered")
    try:
        granted = asked.lasting.offered_for(answer.arguments or {}).narrowed(answer.lasting)
    except ValueError as error:
        raise invalid_approval(f"{fault} {error}") from None
    return replace(answer, granted=granted)
