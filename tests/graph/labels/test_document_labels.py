"""A result has the labels of the documents in it, beside those of its tool, and never fewer."""

from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import create_retriever_tool

from graph.labels.data_labels import labelled_source
from tests.graph.labels.test_data_labels import PAYSLIP, SALARY, Office, calls, weather
from tools.approval_policy import LISTED_READS, READS, Data, ToolPolicy, Trust
from tools.http_service.service_tool import run_tool
from tools.mcp_service.tool import result_of
from tools.result_labels import label_result, labels_of_documents
from tools.service import ToolResult

pytestmark = pytest.mark.promise("confidential-data-stays")

DRIVE = calls(("page", {}))


def office(*documents: dict[str, Any], policy: ToolPolicy = READS) -> Office:
    """A model that reads a page, in which these documents are, and carries it outside."""

    async def page() -> ToolResult:
        for document in documents:
            label_result(**document)
        return ToolResult(PAYSLIP)

    made = Office([DRIVE, weather(SALARY)])
    wiki = made.services[3]
    wiki.answers["page"] = page
    wiki.policies["page"] = policy
    return made


@pytest.mark.parametrize(
    ("documents", "lines"),
    [
        ([{"data": Data.CONFIDENTIAL}], ["wiki.page: confidential"]),
        ([{"data": "internal"}, {}], ["wiki.page: internal"]),
        ([{"data": "internal"}, {"data": "confidential"}], ["wiki.page: confidential, internal"]),
        ([{"data": "confidential", "trust": "untrusted"}], ["wiki.page: confidential, untrusted"]),
    ],
)
async def test_document_is_held_as_the_strictest_that_its_result_says(
    documents: list[dict[str, Any]], lines: list[str]
) -> None:
    asked = await office(*documents).ask("Read the page. And the weather?")
    assert asked.asks_about == lines


@pytest.mark.parametrize("documents", [[], [{}], [{"data": Data.PUBLIC, "trust": Trust.TRUSTED}]])
async def test_document_that_is_public_is_carried_anywhere(documents: list[dict[str, Any]]) -> None:
    made = await office(*documents).ask("Read the page. And the weather?")
    assert [name for name, _ in made.outside] == ["maps"]


async def test_document_makes_nothing_less_strict_than_its_tool() -> None:
    declared = ToolPolicy(data=Data.CONFIDENTIAL, trust=Trust.UNTRUSTED)
    asked = await office({"data": Data.PUBLIC, "trust": Trust.TRUSTED}, policy=declared).ask("Read it")
    assert asked.asks_about == ["wiki.page: confidential, untrusted"]


async def test_document_of_one_call_labels_no_other_call() -> None:
    made = office({"data": Data.CONFIDENTIAL})
    made.services[4].policies["weather"] = READS
    await made.ask("Read the page. And the weather?")
    assert made.state.values["read"] == {"wiki.page": "confidential"}


def test_unknown_word_of_a_tool_is_an_error() -> None:
    with pytest.raises(ValueError, match="top secret"):
        label_result(data="top secret")  # type: ignore[arg-type]  # the refusal is under test


def test_label_outside_of_a_call_does_nothing() -> None:
    label_result(data=Data.CONFIDENTIAL)
    with labels_of_documents() as labels:
        pass
    assert labels == []


def test_label_counts_for_the_calls_around_it_too() -> None:
    with labels_of_documents() as outer, labels_of_documents() as inner:
        label_result(data=Data.INTERNAL)
    assert outer == inner == [(Data.INTERNAL, Trust.TRUSTED)]


STRICTEST = (Data.CONFIDENTIAL, Trust.UNTRUSTED)


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        ({"data": "internal"}, (Data.INTERNAL, Trust.TRUSTED)),
        ({"trust": "untrusted"}, (Data.UNLABELLED, Trust.UNTRUSTED)),
        ({}, (Data.UNLABELLED, Trust.TRUSTED)),
        ({"data": "secret"}, (Data.CONFIDENTIAL, Trust.TRUSTED)),
        ({"data": ["internal"], "trust": "?"}, STRICTEST),
        ({"sensitivity": "high"}, STRICTEST),
        ("public", STRICTEST),
        (None, STRICTEST),
    ],
)
def test_mcp_server_labels_a_result_and_what_cannot_be_read_is_the_strictest(
    said: object, labels: tuple[Data, Trust]
) -> None:
    meta = {"_meta": {"idaas-agent/labels": said}}
    text = {"type": "text", "text": "net pay"}
    resource = {"type": "resource", "resource": {"uri": "file:///pay", "text": "net pay", **meta}}
    for result in ({"content": [text], **meta}, {"content": [text | meta]}, {"content": [resource]}):
        with labels_of_documents() as found:
            assert result_of({"result": result}, []).text == "net pay"
        assert found == [labels]


def test_mcp_server_that_says_nothing_of_labels_labels_nothing() -> None:
    with labels_of_documents() as found:
        result_of({"result": {"content": [{"type": "text", "text": "x", "_meta": {"ifc": "trusted"}}]}}, [])
        result_of({"result": {"content": [], "_meta": "idaas-agent/labels"}}, [])
    assert found == []


async def test_result_of_an_outside_server_stays_untrusted_whatever_it_says() -> None:
    made = await office({"trust": Trust.TRUSTED}, policy=LISTED_READS).ask("Read the page")
    assert made.state.values["read"]["wiki.page"] == "untrusted"


@pytest.mark.parametrize("word", ["secret", ""])
def test_source_with_an_unknown_word_is_an_error(word: str) -> None:
    with pytest.raises(ValueError, match="is not a valid Data"):
        labelled_source("retrieve", "handbook", word, Trust.TRUSTED)  # type: ignore[arg-type]  # the refusal is under test


class Handbook(BaseRetriever):
    """A retriever without an `async` form, which LangChain calls in a thread."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        del run_manager
        found = [Document(query, metadata={"data": data}) for data in ("public", "internal")]
        for document in found:
            label_result(data=Data(document.metadata["data"]))
        return found


async def test_retriever_labels_the_documents_that_it_finds() -> None:
    tool = create_retriever_tool(Handbook(), "handbook", "Searches the handbook.")
    with labels_of_documents() as labels:
        assert (await run_tool(tool, {"query": "leave"})).text == "leave\n\nleave"
    assert labels == [(Data.PUBLIC, Trust.TRUSTED), (Data.INTERNAL, Trust.TRUSTED)]
