"""How long a question may wait is a variable with bounds."""

import pytest
from pydantic import ValidationError

from graph.approvals.variables import ApprovalVariables
from identity.settings.reading import variable_faults


@pytest.mark.parametrize("seconds", ["0", "nan", "86401", "soon"])
def test_time_that_cannot_be_used_is_a_fault(seconds: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ApprovalVariables.model_validate({"approval_seconds": seconds})
    [[fault]] = variable_faults(caught.value).values()
    assert fault.startswith("APPROVAL_SECONDS must be ")
