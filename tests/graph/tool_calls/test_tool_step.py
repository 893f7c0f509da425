"""A call of a tool is measured, and its span shows whose rights it used."""

from langchain_core.messages import ToolCall

from graph.call_measures import CallMeasures
from graph.credentials.service_credentials import ServiceRequirement
from graph.tool_calls.tool_step import StepRun, ToolSteps
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import AccessTokenRequirement
from identity.observation.span import RecordedSpan
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens
from tools.service import ToolResult


async def test_tool_call_shows_its_credential_and_its_approval(ended_spans: list[RecordedSpan]) -> None:
    calls = CallMeasures()
    service = EchoService("shop", AccessTokenRequirement("https://svc.example|svc.read"))
    required = {"shop": ServiceRequirement(service.credential, AccessIdentity.HUMAN)}
    run = StepRun(await Tokens().verify(Secret("alice-at")), lambda _: None, [])
    call = ToolCall(name="pay", args={"amount": 7}, id="call_1")

    async def pay() -> tuple[ToolResult, None]:
        return ToolResult("paid"), None

    steps = ToolSteps({"shop": service}, required, AuditTrail(), calls)
    await steps.step(call, "shop", run, "f00d").made(pay)
    (span,) = ended_spans
    shown = {attribute.value: value for attribute, value in span.attributes.items()}
    assert (
        shown.items()
        >= {
            "idaas_agent.approval.id": "f00d",
            "idaas_agent.access_identity": "Human",
            "idaas_agent.credential.audience": "https://svc.example",
            "idaas_agent.credential.scope": "svc.read",
        }.items()
    )
    assert list(calls.tools.values) == [("pay", "shop", "")]
