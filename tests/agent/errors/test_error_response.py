"""The body of an error names the argument of an edit that is not valid."""

import pytest

from agent.errors.error_response import error_body
from graph.error_codes import GraphCode
from identity.errors import ApprovalError


@pytest.mark.parametrize(
    ("argument", "param"),
    [(None, None), ("", "arguments"), ("days", "arguments.days"), ("days.", "arguments.days.")],
)
def test_body_names_the_argument_whole(argument: str | None, param: str | None) -> None:
    error = ApprovalError(GraphCode.APPROVAL_INVALID, "the edit does not fit", argument=argument)
    assert error_body(error)["error"]["param"] == param
