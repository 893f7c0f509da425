"""A chat model on a server that speaks Model Studio's wire format."""

import pytest

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
