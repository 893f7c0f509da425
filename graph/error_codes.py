"""The codes of the errors that a run raises itself, the errors of approvals and answers that do not fit, and
how an error names the node that it is about.

`errors.toml` has the rows of the codes.
"""

from typing import Final, TypeVar

from identity.errors import AgentError, ApprovalError, ErrorCode, ServiceError
from tools.service_name import service_of

E = TypeVar("E", bound=AgentError)

MODEL: Final = "model"
"""The model's node, and the name of its key among the credentials."""
_MAX_ARGUMENT: Final = 64
"""Characters of the path of an argument in an error."""


def error_of_node(error: E, node: str) -> E:
    """A copy of `error` about `node`: the model, or the service of that name."""
    if node == MODEL:
        return error.of(MODEL, title="the language model")
    return error.of(service_of(node))


class GraphCode(ErrorCode):
    """Errors about the caller of a run, the model, approvals, and what an operator has stopped."""

    ACCESS_TOKEN_MISSING = "access_token_missing"  # noqa: S105 - a code
    LLM_API_KEY_UNAVAILABLE = "llm_api_key_unavailable"
    MODEL_CALL_FAILED = "model_call_failed"
    ANSWER_DOES_NOT_FIT = "answer_does_not_fit"
    GRAPH_NODE_FAILED = "graph_node_failed"
    APPROVAL_OPEN = "approval_open"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_USED = "approval_used"
    APPROVAL_INVALID = "approval_invalid"
    APPROVAL_UNAVAILABLE = "approval_unavailable"
    CALLS_STOPPED = "calls_stopped"


def invalid_approval(detail: str, argument: str | None = None) -> ApprovalError:
    """The error of an answer or call that does not fit its approval, or whose approval is not the caller's.

    `argument` is as in `ApprovalError`. It is cut: a client may have chosen its name.
    """
    named = None if argument is None else argument[:_MAX_ARGUMENT]
    return ApprovalError(GraphCode.APPROVAL_INVALID, detail, argument=named)


class AnswerFormError(ServiceError):
    """The answer does not have the form that its caller requested, also when it was requested once more.

    `place` is the JSON path of the first fault, such as `$.items[0].sum`. It is for the caller alone: it has
    names of their schema.
    """

    def __init__(self, place: str) -> None:
        detail = "the answer does not have the form of the request"
        super().__init__(GraphCode.ANSWER_DOES_NOT_FIT, detail, status=200)
        self.place = place
