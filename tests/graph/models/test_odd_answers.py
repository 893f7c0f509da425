"""Invalid numbers, dates and shapes in the model's response fail the call, and nothing more."""

from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from starlette.responses import JSONResponse, Response

from graph.error_codes import GraphCode
from graph.models.openai_compatible import model_studio
from identity.errors import ServiceError
from tests.graph.bench import bench
from tests.graph.conftest import Serve
from tests.graph.echo_service import EchoService
from tests.graph.models.qwen_wire import answer, chunk, failure_of, streamed
from tests.graph.models.wire_model import WireModel

DATE = "Wed, 21 Oct 2099 07:28:00"


CHOICES = [[], {}, None, "canary", 7, [7], [None], [{}], [{"message": []}], [{"delta": []}]]


@pytest.mark.parametrize("choices", CHOICES)
async def test_response_without_a_choice_fails(serve: Serve, model_at: Any, choices: Any) -> None:
    wire_model = WireModel({**answer({"content": "x"}), "choices": choices})
    model = model_at(await serve(wire_model))
    await failure_of(model.ainvoke([HumanMessage("hi")]))


@pytest.mark.parametrize("choices", CHOICES)
async def test_piece_without_a_choice_fails_or_has_no_text(serve: Serve, model_at: Any, choices: Any) -> None:
    wire_model = WireModel([{**chunk({"content": "x"}), "choices": choices}])
    model = model_at(await serve(wire_model))
    text = ""
    with suppress(ServiceError):
        _, whole = await streamed(model)
        text = whole.text
    assert text == ""


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": "canary", "completion_tokens": None, "total_tokens": []},
        {"prompt_tokens": 1.5, "completion_tokens": -1, "total_tokens": {}},
    ],
)
async def test_pieces_that_cannot_be_joined_fail_the_call(serve: Serve, usage: dict[str, Any]) -> None:
    wire_model = WireModel([chunk({"content": "Sun"}), {**chunk({"content": "ny"}), "usage": usage}])
    model = model_studio(base_url=await serve(wire_model), model="qwen-plus", max_retries=0)
    with pytest.raises(ServiceError) as caught:
        await bench(model, EchoService("amap", weather="x")).events()
    assert caught.value.code is GraphCode.MODEL_CALL_FAILED
    assert caught.value.__context__ is None, "the original has the service's text"
    await model.aclose()


@pytest.mark.parametrize(
    ("headers", "requested"),
    [
        ({"Retry-After": f"{DATE} +{'9' * 400}"}, None),
        ({"Retry-After": f"Wed, 21 Oct 2099 {'9' * 400}:28:00 GMT"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After-Ms": "60000"}, None),
        ({"Retry-After": "2", "Retry-After-Ms": "60000"}, "2"),
        ({"Retry-After": f"{DATE} GMT"}, "86400"),
        ({}, None),
    ],
)
async def test_client_reads_only_a_valid_wait(
    serve: Serve, model_at: Any, headers: dict[str, str], requested: str | None
) -> None:
    wire_model = WireModel(Response("{}", 503, headers=headers))
    model = model_at(await serve(wire_model))
    response = await model.http_async_client.post(
        model.openai_api_base, json={}, headers={"Authorization": "Bearer x"}
    )
    assert response.headers.get("retry-after") == requested
    assert "retry-after-ms" not in response.headers


async def test_refusal_with_an_absurd_wait_fails_with_its_status(serve: Serve, model_at: Any) -> None:
    absurd = {"Retry-After": f"{DATE} +{'9' * 400}"}
    wire_model = WireModel(JSONResponse({"error": {"code": "limit_requests"}}, 429, headers=absurd))
    error = await failure_of(model_at(await serve(wire_model)).ainvoke([HumanMessage("hi")]))
    assert (error.status, error.retry_after) == (429, 0)
