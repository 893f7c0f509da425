"""`Identity.label`: what a node of an application's graph has read, as the result of a governed tool is."""

from langchain_core.runnables import ensure_config

from graph.labels.data_labels import labelled_source
from idaas_agent.library.app_tool import SERVICE
from idaas_agent.library.place import Place
from idaas_agent.library.read_labels import ReadLabels
from tools.approval_policy import Data, Trust


def label_source(read: ReadLabels, source: str, data: Data | None, trust: Trust | None) -> None:
    """See `Identity.label`. Called by the code of a node, where LangGraph says which thread it is."""
    labels = labelled_source(SERVICE, source, data or Data.UNLABELLED, trust or Trust.UNTRUSTED)
    read.note(Place.of(ensure_config()), labels)
