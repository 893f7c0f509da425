"""The graphs of LangGraph SDK's suite, in the folder `REFEREE_GRAPHS`.

Of the transformers of events that they name, Aegra adds one itself, and a run with one twice fails. So they
name none here.
"""

import os
import sys
from importlib import import_module
from typing import Any, Final

sys.path.insert(0, os.environ["REFEREE_GRAPHS"])


def _graph(module: str) -> Any:
    graph: Any = import_module(module).graph
    graph.stream_transformers = ()
    return graph


agent: Final = _graph("streaming_graph")
tools_agent: Final = _graph("tools_agent")
