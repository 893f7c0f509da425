"""The labels with which a run begins."""

import pytest
from langchain_core.messages import HumanMessage
from langgraph.runtime import Runtime

from graph.answer_form import AnswerForm
from graph.context import AgentContext
from graph.extensions import Extensions
from graph.labels.run_labels import RunLabels, begin_labels

pytestmark = pytest.mark.promise("confidential-data-stays")


def test_schema_of_the_answer_counts_as_written_by_the_program_of_the_client() -> None:
    def read_with(form: AnswerForm) -> object:
        context = AgentContext(extensions=Extensions(RunLabels(), form))
        return begin_labels({"client": "untrusted"}, [HumanMessage("hi")], Runtime(context=context))["read"]

    assert read_with(AnswerForm({"type": "object"})) == {"client": "untrusted"}
    assert read_with(AnswerForm()) == {}
