"""Runs cases with the testing kit, and compares what they did with what was expected."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage

from agent.commands.evaluate.cases import Case, CaseFaultsError, Cases, Expected, Response, ScriptedCall, Turn
from agent.commands.evaluate.evaluated_policies import EvaluatedPolicies
from agent.composition.installed_policies import InstalledPolicy
from graph.models.provider import ModelProvider, ResponseReader
from graph.prompt import SYSTEM_PROMPT
from idaas_agent.testing import (
    AgentUnderTest,
    PoliciesUnderTest,
    RecordedModel,
    ScriptedModel,
    ServerUnderTest,
    ToolsUnderTest,
    call,
    caller,
)
from identity.audit.event import AuditedAction, AuditOutcome
from identity.errors import ConfigurationError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.declared_service import load_function
from tools.service_declarations import BuiltInDeclaration, MCPDeclaration
from tools.services_file import read_services_file


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a case. `rights` has whose each of `calls` was: the user's id, `agent`, or `none`."""

    name: str
    calls: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    answer: str = ""
    model_requests: int = 0
    tokens_read: int = 0
    tokens_written: int = 0
    faults: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether it did what was expected."""
        return not self.faults


class Evaluation:
    """The cases of a file, and what they share. Raises `CaseFaultsError` for what cannot be run.

    A case without a `model` of its own asks the answers that are recorded, and `model` for others; or
    `model`, with `api_key`, if the file names none.
    """

    def __init__(
        self, cases: Cases, folder: Path, model: ModelProvider | None = None, api_key: Secret | None = None
    ) -> None:
        self._cases: Final = cases
        self._services: Final = folder / cases.services
        with _faults_of("graph"):
            self._graph: Final = load_function(cases.graph, folder) if cases.graph else None
        with _faults_of("system_prompt"):
            prompt = (folder / cases.system_prompt).read_text("utf-8") if cases.system_prompt else None
        self._prompt: Final = prompt or SYSTEM_PROMPT
        self._model: Final = model_of(cases, folder, model, api_key)
        file, faults = read_services_file(self._services, named=cases.services)
        declared = file.services
        self._names: Final = [
            name for name, entry in declared.items() if not isinstance(entry, BuiltInDeclaration)
        ]
        self._listed: Final[dict[str, Sequence[Mapping[str, Any]]]] = {}
        self._policies: Final = EvaluatedPolicies(cases.variables, folder)
        faults += [
            f'{cases.services}: services.{name} must be of the type "http" or "mcp"'
            for name in sorted(declared.keys() - set(self._names))
        ]
        servers = [name for name, entry in declared.items() if isinstance(entry, MCPDeclaration)]
        faults += _unmatched(servers, cases.listed)
        if not faults:
            for name in servers:
                with _faults_of(f"listed.{name}"):
                    self._listed[name] = _tools_in(folder / cases.listed[name])
        if faults:
            raise CaseFaultsError(faults)
        with _faults_of(cases.services):
            faults = [fault for case in cases.cases for fault in self._unknown(case)]
        if faults:
            raise CaseFaultsError(faults)

    def _unknown(self, case: Case) -> list[str]:
        """Names of services and tools that there are not: no run could do what is expected."""
        place = f'case "{case.name}"'
        services = [name for name in case.responses if name not in self._names]
        erring = [
            name
            for name, responses in case.responses.items()
            if name not in self._listed and any(response.is_error for response in responses)
        ]
        known = {f"{tools.name}.{tool}" for tools in self._tools(case) for tool in tools.tool_names}
        named = [*(case.expect.calls or ()), *(case.expect.asked or ())]
        faults = [f"{place}: responses: there is no service {name!r}" for name in services]
        if erring:
            return [
                *faults,
                f"{place}: responses.{erring[0]}: is_error is of MCP servers, others have a status",
            ]
        return faults + [f"{place}: expect: there is no tool {name!r}" for name in named if name not in known]

    def _tools(self, case: Case) -> "list[ToolsUnderTest | ServerUnderTest]":
        """The services of a case, with its responses."""
        user = caller(case.user, **case.claims)
        made: list[ToolsUnderTest | ServerUnderTest] = []
        for name in self._names:
            if name in self._listed:
                made.append(ServerUnderTest.of_file(self._services, name, self._listed[name]))
            else:
                made.append(ToolsUnderTest.of_file(self._services, name, caller=user))
        for tools in made:
            for response in case.responses.get(tools.name, ()):
                tools.responds(response.status, **_body(response))
        return made

    async def run(self, case: Case) -> Outcome:
        """Runs one case. What a run raises is a fault of its outcome. Raises `CaseFaultsError` for what the
        policies refuse before it: rules that are not valid, variables.
        """
        async with self._policies.of_case() as policies:
            return await self._run(case, policies)

    async def _run(
        self, case: Case, policies: Callable[[PoliciesUnderTest], Sequence[InstalledPolicy]]
    ) -> Outcome:
        tools = self._tools(case)
        model = CountedModel(ScriptedModel(*map(_turn, case.model)) if case.model else self._model)
        options: dict[str, Any] = {} if self._graph is None else {"graph": self._graph}
        with _faults_of("policies"):
            agent = AgentUnderTest(
                model,
                *tools,
                approves=case.approves,
                caller=caller(case.user, **case.claims),
                system_prompt=self._prompt,
                policies=policies,
                **options,
            )
        answer = ""
        failures: list[str] = []
        try:
            for question in case.questions:
                answer = await agent.ask(question)
        except Exception as error:  # noqa: BLE001 - of own code, and of the kit
            failures = [f"the run failed: {type(error).__name__}: {error}"]
        begun = [
            event
            for event in agent.audit
            if event.action is AuditedAction.TOOL_CALL and event.outcome is AuditOutcome.STARTED
        ]
        service_of = {tool: made.name for made in tools for tool in made.tool_names}
        did = Outcome(
            name=case.name,
            calls=tuple(f"{service_of.get(event.tool or '', '')}.{event.tool}" for event in begun),
            rights=tuple(_whose(event.access_identity, case.user) for event in begun),
            asked=tuple(
                f"{service_of.get(each['name'], '')}.{each['name']}" for each in agent.asked.values()
            ),
            answer=answer,
            model_requests=model.requests,
            tokens_read=model.read,
            tokens_written=model.written,
        )
        return _compared(did, case.expect, failures)


def _unmatched(servers: Sequence[str], listed: Mapping[str, str]) -> list[str]:
    """Faults of servers without a file of their tools, and of files without a server."""
    faults = [f"listed.{name}: there is no MCP server {name!r}" for name in listed if name not in servers]
    lacking = [name for name in servers if name not in listed]
    return faults + [
        f"listed.{name} must name the file of the tools that the server lists" for name in lacking
    ]


def _tools_in(path: Path) -> Sequence[Mapping[str, Any]]:
    """The tools of a file: what a server responds to `tools/list`, or the list alone."""
    read = json.loads(path.read_text("utf-8"))
    tools = read.get("tools") if isinstance(read, dict) else read
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ValueError('must have a list of tools, or an object with "tools"')
    ServerUnderTest(tools)
    return tools


@contextmanager
def _faults_of(place: str) -> Iterator[None]:
    """Raises `CaseFaultsError` for what own code or a file raises while it is loaded."""
    try:
        yield
    except ConfigurationError as error:
        raise CaseFaultsError([f"{place}: {fault}" for fault in error.faults]) from error
    except Exception as error:
        raise CaseFaultsError([f"{place}: {type(error).__name__}: {error}"]) from error


def model_of(
    cases: Cases, folder: Path, model: ModelProvider | None, api_key: Secret | None
) -> ModelProvider:
    """The model of cases that script none."""
    if cases.recorded is not None:
        return RecordedModel(folder / cases.recorded, model, api_key=api_key)
    if model is None:
        return ScriptedModel()
    return _WithKey(model, api_key)


def needs_model(cases: Cases) -> bool:
    """Whether a case asks a model that is neither scripted nor recorded."""
    return cases.recorded is None and any(case.model is None for case in cases.cases)


class CountedModel:
    """A `ModelProvider` that counts the requests and tokens of another."""

    def __init__(self, model: ModelProvider) -> None:
        self._model = model
        self.requests = 0
        self.read = 0
        self.written = 0

    async def complete(
        self,
        messages: Sequence[AnyMessage],
        tools: Sequence[Mapping[str, Any]],
        *,
        api_key: Secret,
        reader: ResponseReader | None = None,
    ) -> BaseMessage:
        """See `ModelProvider`."""
        self.requests += 1
        answer = await self._model.complete(messages, tools, api_key=api_key, reader=reader)
        usage = answer.usage_metadata if isinstance(answer, AIMessage) else None
        if usage is not None:
            self.read += usage["input_tokens"]
            self.written += usage["output_tokens"]
        return answer

    async def aclose(self) -> None:
        """See `ModelProvider`."""


@dataclass(frozen=True, slots=True)
class _WithKey:
    """A model that is sent a key of its own in place of the kit's."""

    model: ModelProvider
    key: Secret | None = field(repr=False)

    async def complete(self, *given: Any, api_key: Secret, reader: ResponseReader | None = None) -> Any:  # noqa: ANN401 - as `ModelProvider`
        """See `ModelProvider`."""
        return await self.model.complete(*given, api_key=self.key or api_key, reader=reader)

    async def aclose(self) -> None:
        """See `ModelProvider`."""


def _turn(turn: Turn) -> Any:  # noqa: ANN401 - a turn of the kit
    if isinstance(turn, str):
        return turn
    calls = [turn] if isinstance(turn, ScriptedCall) else turn
    return [call(scripted.call, **scripted.arguments) for scripted in calls]


def _body(response: Response) -> dict[str, Any]:
    given: dict[str, Any] = {"is_error": True} if response.is_error else {}
    return given | ({"text": response.text} if response.text is not None else {"json": response.json_})


def _whose(identity: AccessIdentity | None, user: str) -> str:
    if identity is None:
        return "none"
    return user if identity is AccessIdentity.HUMAN else "agent"


def _compared(did: Outcome, expected: Expected, failures: Sequence[str]) -> Outcome:
    """The outcome with what differs."""
    faults = list(failures)
    for name in ("calls", "asked", "rights"):
        wanted, found = getattr(expected, name), getattr(did, name)
        if wanted is not None and tuple(wanted) != found:
            faults.append(f"{name}: expected {_listed(wanted)}, found {_listed(found)}")
    faults += [f"the answer lacks {text!r}" for text in expected.answer if text not in did.answer]
    faults += [f"the answer has {text!r}" for text in expected.not_in_answer if text in did.answer]
    for name, most, found in (
        ("model requests", expected.max_model_requests, did.model_requests),
        ("tokens", expected.max_tokens, did.tokens_read + did.tokens_written),
    ):
        if most is not None and found > most:
            faults.append(f"{name}: expected at most {most}, found {found}")
    return Outcome(**(asdict(did) | {"faults": tuple(faults)}))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
