"""Published chat models whose packages keep one HTTP client for the chat models of all callers.

`tests/deep_agents/test_published_models.py` has those of Anthropic and Google, whose packages are not here.
"""

import json
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from graph.error_codes import GraphCode
from graph.models.named_chat_model import named_chat_model
from graph.models.own_chat_model import OwnChatModel
from graph.models.provider import ChatModelProvider
from graph.models.shared_clients import keep_callers_apart
from identity.errors import ConfigurationError, ServiceError
from identity.secrets.secret import Secret
from tests.graph.conftest import Serve
from tests.graph.models.enticing_server import Elsewhere, Redirecting, SettingCookies
from tests.graph.models.qwen_wire import Pieces, answer, chunk
from tests.graph.models.test_named_chat_model import Published


async def sunny(scope: Any, receive: Any, send: Any) -> None:
    """A model service that accepts any key, wherever it is."""
    if scope["type"] != "http":
        return
    body = await Request(scope, receive).json()
    pieces = [chunk({"content": "Sunny"}), chunk({}, finish_reason="stop")]
    events = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces)
    response: Response = JSONResponse(answer({"content": "Sunny"}))
    if body.get("stream"):
        response = Response(f"{events}data: [DONE]\n\n", media_type="text/event-stream")
    await response(scope, receive, send)


def named_openai(url: str) -> Any:
    return named_chat_model("openai", model="m", base_url=f"{url}/v1")


def named_azure(_: str) -> Any:
    return named_chat_model("azure_openai", model="m")


def function_of_an_operator(url: str) -> Any:
    return ChatModelProvider(lambda key: ChatOpenAI(model="m", base_url=url, api_key=key.reveal()))  # type: ignore[arg-type]  # a text is accepted


def model_of_middleware(url: str) -> Any:
    return OwnChatModel(ChatOpenAI(model="m", base_url=url, api_key="own"))  # type: ignore[arg-type]  # a text is accepted


@pytest.fixture
def model_at(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Makes the model of a server."""

    def made(url: str) -> Any:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", url)
        monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
        return request.param(url)

    return made


MODELS = [named_openai, named_azure, function_of_an_operator, model_of_middleware]


@pytest.mark.promise("users-never-cross")
@pytest.mark.parametrize("model_at", MODELS, indirect=True)
async def test_cookie_of_one_caller_is_not_sent_with_the_call_of_another(
    model_at: Callable[[str], Any], serve: Serve
) -> None:
    server = SettingCookies(sunny)
    provider = model_at(await serve(server))
    for key in ("sk-alice", "sk-bob"):
        response = await provider.complete([HumanMessage("hi")], [], api_key=Secret(key), reader=Pieces())
        assert response.text == "Sunny"
    assert server.cookies == [None, None]


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("model_at", MODELS, indirect=True)
async def test_redirect_carries_neither_key_nor_conversation(
    model_at: Callable[[str], Any], serve: Serve
) -> None:
    elsewhere = Elsewhere()
    provider = model_at(await serve(Redirecting(await serve(elsewhere))))
    with pytest.raises(ServiceError) as caught:
        await provider.complete([HumanMessage("hi")], [], api_key=Secret("sk-alice"))
    assert caught.value.code is GraphCode.MODEL_CALL_FAILED
    assert elsewhere.requests == []


@pytest.mark.promise("users-never-cross")
async def test_one_chat_model_for_all_callers_has_no_cookies(serve: Serve) -> None:
    server = SettingCookies(sunny)
    chat = ChatOpenAI(model="m", base_url=await serve(server), api_key="own")  # type: ignore[arg-type]  # a text is accepted
    ChatModelProvider(chat)
    for _ in range(2):
        await chat.ainvoke("hi")
    assert server.cookies == [None, None]


class _Holder:
    def __init__(self, client: Any) -> None:
        self._client = client


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("place", ["root_async_client", "async_client", "_async_client"])
async def test_client_is_found_where_packages_have_it(library: Any, place: str) -> None:
    async with library.AsyncClient(cookies={"of": "alice"}, follow_redirects=True) as client:
        chat: Any = type("Chat", (), {place: _Holder(_Holder(client))})()
        assert keep_callers_apart(chat)
        assert keep_callers_apart(chat)
        assert dict(client.cookies) == {}
        assert len(client.event_hooks["response"]) == 1


@pytest.mark.promise("users-never-cross")
def test_named_model_whose_client_is_not_known_stops_the_start(package: Any) -> None:
    package(
        "langchain_xai", "ChatXAI", type("ChatXAI", (Published,), {"__annotations__": {"api_key": SecretStr}})
    )
    with pytest.raises(ConfigurationError) as caught:
        named_chat_model("xai", model="m")
    assert "has its HTTP client where it is not known" in caught.value.faults[0]
