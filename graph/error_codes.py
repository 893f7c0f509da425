"""The codes of the errors that a run raises itself, and how an error names the node that it is about."""

from enum import unique
from typing import Final, TypeVar

from identity.errors import AgentError, ErrorCode, ErrorRow
from tools.service_name import service_of

E = TypeVar("E", bound=AgentError)

MODEL: Final = "model"
"""The model's node, and the name of its key among the credentials."""


def error_of_node(error: E, node: str) -> E:
    """A copy of `error` about `node`: the model, or the service of that name."""
    return error.of(service_of(node), title="the language model" if node == MODEL else None)


@unique
class GraphCode(ErrorCode):
    """Errors about the caller of a run, the model, and approvals."""

    ACCESS_TOKEN_MISSING = ErrorRow(
        "access_token_missing",
        symptom="No access token",
        cause="the request has no Authorization header of the form 'Bearer <access token>'",
        remedy="sign in, and send the access token in the Authorization header",
        person="You are not signed in. Sign in, and try again",
    )
    LLM_API_KEY_UNAVAILABLE = ErrorRow(
        "llm_api_key_unavailable",
        symptom="Failed to retrieve the large model API key",
        cause="the credential identifier is wrong, or the agent (in Human identity: the user) may not read "
        "the credential",
        remedy="check {settings}, and the outbound authorization to the LLM node in IDaaS",
        person="The agent could not get its key for the language model. Ask your administrator",
        service=MODEL,
        unnamed_settings="the identifier of the model's key",
    )
    MODEL_CALL_FAILED = ErrorRow(
        "model_call_failed",
        symptom="Large model call failed",
        cause="the model service refused the request or the key, is limiting requests, could not be reached, "
        "or ended its response before it was whole",
        remedy="check {settings}, and that the API key belongs to the same region; try again later",
        person="The language model gave no usable answer. Try again later, or ask your administrator",
        service=MODEL,
        unnamed_settings="the address and the name of the model",
    )
    GRAPH_NODE_FAILED = ErrorRow(
        "graph_node_failed",
        symptom="A node of the agent's own graph failed",
        cause="a node or condition of the operator's own graph raised an error, or returned what no own "
        "node may write",
        remedy="look in the log of the agent for the node, the type and the place of the fault",
        person="The agent failed. Ask your administrator",
        caused_by_callers=False,
    )
    APPROVAL_OPEN = ErrorRow(
        "approval_open",
        symptom="An approval is open",
        cause="the conversation waits for the user's decision about a call, and a message is no decision",
        remedy="approve or reject the call, or cancel the run",
        person="The agent waits for your decision. Approve or reject it first",
    )
    APPROVAL_EXPIRED = ErrorRow(
        "approval_expired",
        symptom="The approval has expired",
        cause="the user decided too late, or the approved call was not made in time",
        remedy="ask again; the time is a setting of the agent",
        person="The decision came too late, and nothing was done. Ask again",
    )
    APPROVAL_USED = ErrorRow(
        "approval_used",
        symptom="The approval was decided or used before",
        cause="an approval is decided once and used once; the same answer arrived twice, an older state of "
        "the conversation was resumed, or the process ended during the call",
        remedy="check whether the call has taken effect before it is asked for again",
        person="This was decided before, and may already have taken effect. Check before you ask again",
    )
    APPROVAL_INVALID = ErrorRow(
        "approval_invalid",
        symptom="The approval does not fit",
        cause="there is no such approval of this user, the call is not the one that was approved, or the "
        "edited arguments do not fit the tool",
        remedy="none: the call was not made; an attempt to use another user's approval has this code too",
        person="This decision does not fit a call that waits for you. Nothing was done",
    )
    APPROVAL_UNAVAILABLE = ErrorRow(
        "approval_unavailable",
        symptom="Approvals cannot be read or kept",
        cause="the database of the conversations cannot be reached or written",
        remedy="check {settings}",
        person="The agent cannot keep your decisions at the moment, and does nothing that needs one. Try "
        "again later",
        unnamed_settings="the address of the conversations' database",
        caused_by_callers=False,
    )
