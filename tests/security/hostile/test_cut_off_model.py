"""A response of the model counts whole or not at all, on every surface, streamed or not."""

import re
from typing import Any

import pytest

from tests.recorder import Recorder
from tests.security.hostile.cut_off_model import FORMS, CutOffModel
from tests.security.surfaces import SURFACES

pytestmark = pytest.mark.promise("model-cannot-steer")

PROVIDERS = ("model_studio", "openai_compatible")


@pytest.fixture
def agents(start_agent, serve, sandbox):
    """An agent of each provider, whose model is a `CutOffModel`; its enterprise service records calls."""

    async def start(providers=PROVIDERS) -> tuple[list[Any], Recorder, dict[str, str]]:
        enterprise = Recorder()
        model, service = await serve(CutOffModel()), await serve(enterprise)
        started = [
            await start_agent(
                LLM_BASE_URL=f"{model}/v1",
                LLM_PROVIDER=provider,
                LLM_MODEL="m",
                ENTERPRISE_SERVICE_URL=f"{service}/base/",
                MAX_REQUESTS_PER_MINUTE="0",
            )
            for provider in providers
        ]
        return started, enterprise, {"Authorization": f"Bearer {sandbox.access_token('alice')}"}

    return start


@pytest.mark.parametrize("surface", SURFACES)
async def test_no_call_of_a_response_that_is_not_whole_is_made(agents, surface):
    # Surfaces know no provider.
    started, enterprise, headers = await agents(PROVIDERS if surface in SURFACES[:2] else PROVIDERS[:1])
    for agent in started:
        for form, (_, finish) in FORMS.items():
            response = await surface(agent, form, headers)
            assert enterprise.requests == [], form
            if finish in ("length", "content_filter"):
                assert re.search(rf'"finish_reason": ?"{finish}"', response.text), form
            elif finish == "tool_calls":
                assert "done" in response.text, form
            else:
                assert "model_call_failed" in response.text, form


@pytest.mark.parametrize("surface", SURFACES)
async def test_text_that_is_not_whole_says_so(agents, surface):
    (agent,), _, headers = await agents(PROVIDERS[:1])
    for end in ("length", "content_filter", "stop"):
        response = await surface(agent, end, headers)
        assert response.status_code == 200
        assert re.search(rf'"finish_reason": ?"{end}"', response.text), end
    for end in ("none", "eos"):
        assert "model_call_failed" in (await surface(agent, end, headers)).text, end
