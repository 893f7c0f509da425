"""The variable of approvals that every application has."""

from pydantic import Field

from identity.settings.values import VariableGroup


class ApprovalVariables(VariableGroup):
    """How long a question waits for its answer."""

    heading = "Approvals"

    approval_seconds: float = Field(600, gt=0, le=86_400, allow_inf_nan=False)
    """How long a person may take to approve or reject a tool call."""
