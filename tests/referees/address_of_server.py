"""A plug-in of pytest for LangGraph SDK's tests: those that know one address get that of the server."""

import os
from typing import Any


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Replaces the constant `URL` of a module."""
    for item in items:
        if hasattr(item.module, "URL"):
            item.module.URL = os.environ["LANGGRAPH_INTEGRATION_URL"]
