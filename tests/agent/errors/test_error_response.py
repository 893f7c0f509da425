"""The body of an error: each member is documented, and the argument of an edit that is not valid is named."""

import pytest

from agent.api.response_models import ErrorResponse
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import RequestError, error_body
from graph.error_codes import GraphCode
from identity.errors import AgentError, ApprovalError, LimitError, ServiceError, StorageLimitError
from tools.error_codes import ToolCode


@pytest.mark.parametrize(
    ("argument", "param"),
    [(None, None), ("", "arguments"), ("days", "arguments.days"), ("days.", "arguments.days.")],
)
def test_body_names_the_argument_whole(argument: str | None, param: str | None) -> None:
    error = ApprovalError(GraphCode.APPROVAL_INVALID, "the edit does not fit", argument=argument)
    assert error_body(error)["error"]["param"] == param


@pytest.mark.parametrize(
    "error",
    [
        RequestError("messages", "must be given"),
        LimitError(AgentCode.RATE_LIMITED, "too many", retry_after=3.5),
        ServiceError(ToolCode.SERVICE_FAILED, "no response").of("bank", ()),
        StorageLimitError(AgentCode.CONVERSATION_FULL, "too large", unit="bytes", most=2**20),
        ApprovalError(
            GraphCode.APPROVAL_USED,
            "used",
            decided={"decided_at": 1, "decided_by": "bob", "decided_on": "Firefox"},
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_each_member_of_an_error_is_documented(error: AgentError | RequestError) -> None:
    ErrorResponse.model_validate(error_body(error))
