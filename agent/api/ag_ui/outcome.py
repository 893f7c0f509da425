"""How a run ends in AG-UI's events: its state, tokens, and errors."""

from typing import Any

from agent.api.ag_ui.wire import METADATA_KEY, Event
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import reported_body
from agent.runs.run import Usage
from identity.errors import AgentError


def state(thread_id: str, status: str) -> Event:
    """The state that a client may see: the conversation, and whether it waits for its user."""
    return {"type": "STATE_SNAPSHOT", "snapshot": {"thread_id": thread_id, "status": status}}


def usage_of(usage: Usage, model: str | None) -> Event:
    """The member `usage` of a finished run; empty if the tokens are not known."""
    total = usage.input_tokens + usage.output_tokens
    if not total:
        return {}
    named = {} if model is None else {"model": model}
    counted = {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens, "totalTokens": total}
    reasoning = {"reasoningTokens": usage.reasoning_tokens} if usage.reasoning_tokens else {}
    return {"usage": [{**named, **counted, **reasoning}]}


def run_error(error: AgentError) -> Event:
    """The end of a run that failed: its code and the person's text. It is also logged for operators."""
    body = reported_body(error)["error"]
    about = {name: body[name] for name in ("request_id", "service", "retry_after") if body.get(name)}
    return _error(body["message"], body["code"], about)


def run_cancelled() -> Event:
    """The end of a run that was cancelled by another request.

    Not the outcome `cancelled`: clients before version 1.0 fail on it.
    """
    code = AgentCode.RUN_CANCELLED
    return _error(code.row.for_person(), code.value, {})


def _error(message: str, code: str, about: dict[str, Any]) -> Event:
    metadata = {"metadata": {METADATA_KEY: about}} if about else {}
    return {"type": "RUN_ERROR", "message": message, "code": code, **metadata}
