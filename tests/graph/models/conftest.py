"""A chat model on a server that speaks Model Studio's wire format."""

import sys
from types import ModuleType
from typing import Any

import pytest
from langchain.chat_models import base

from graph.models.openai_compatible import model_studio
from identity.secrets.secret import Secret


@pytest.fixture
async def model_at():
    models = []

    def make(origin, **options):
        options = {"model": "qwen-plus", "max_retries": 0, **options}
        models.append(model_studio(base_url=f"{origin}/compatible-mode/v1", **options))
        return models[-1].chat.bind(api_key=Secret("sk-canary"))

    yield make
    for model in models:
        await model.aclose()


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`package(module, name, published)` installs a package that publishes the chat model `published`."""

    def install(module: str, name: str, published: Any) -> None:
        installed = ModuleType(module)
        setattr(installed, name, published)
        monkeypatch.setitem(sys.modules, module, installed)

    made = base._get_chat_model_creator  # keeps what an earlier test has installed
    made.cache_clear()
    yield install
    made.cache_clear()
