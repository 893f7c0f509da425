"""The questions of documents, page, benchmarks and tests lead to the recorded calls and answers."""

import pytest

from tests.sandbox.model_studio.golden_conversations import play, read


@pytest.mark.parametrize("case", read(), ids=lambda case: case["question"][:40] or "nothing")
def test_question_leads_to_the_recorded_calls_and_answer(case):
    assert play(case) == case
