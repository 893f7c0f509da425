"""A chat model by the name of its provider in LangChain's `init_chat_model`.

`tests/deep_agents/test_published_models.py` has those of Anthropic and Google, whose packages are not here.
"""

import sys
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from starlette.responses import JSONResponse

from graph.models.named_chat_model import module_of, named_chat_model
from identity.errors import ConfigurationError, ServiceError
from identity.secrets.secret import Secret
from tests.graph.conftest import Serve
from tests.graph.models.qwen_wire import Pieces, answer, chunk
from tests.graph.models.wire_model import WireModel

TOOL = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}


def fault_of(name: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        named_chat_model(name, model="m")
    [fault] = caught.value.faults
    return fault


async def asked(provider: Any, key: str, tools: Any = (), reader: Any = None) -> Any:
    return await provider.complete([HumanMessage("hi")], tools, api_key=Secret(key), reader=reader)


async def test_openai_is_asked_with_the_key_of_each_caller_whole_and_in_pieces(serve: Serve) -> None:
    wire_model = WireModel(
        answer({"content": "Sunny"}),
        [chunk({"content": "Sun"}), chunk({"content": "ny"})],
        [chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "pay", "arguments": "{}"}}]})],
    )
    provider = named_chat_model("openai", model="gpt-5-mini", base_url=f"{await serve(wire_model)}/v1")
    reader = Pieces()
    whole = await asked(provider, "sk-alice")
    streamed = await asked(provider, "sk-bob", reader=reader)
    called = await asked(provider, "sk-bob", [TOOL], Pieces())
    assert (whole.text, streamed.text, "".join(reader.texts)) == ("Sunny", "Sunny", "Sunny")
    assert [call["name"] for call in called.tool_calls] == ["pay"]
    ends = [message.response_metadata["finish_reason"] for message in (whole, streamed, called)]
    assert ends == ["stop", "stop", "tool_calls"]
    assert wire_model.keys == ["sk-alice", "sk-bob", "sk-bob"]
    assert {request["model"] for request in wire_model.requests} == {"gpt-5-mini"}
    assert [request.get("stream_options") for request in wire_model.requests] == [
        None,
        {"include_usage": True},
        {"include_usage": True},
    ]
    assert provider.api == "openai"


@pytest.mark.promise("no-secret-leaves")
async def test_refused_key_of_openai_is_a_401_without_the_text_of_the_service(serve: Serve) -> None:
    refused = JSONResponse({"error": {"message": "sk-canary is wrong", "code": "invalid_api_key"}}, 401)
    provider = named_chat_model("openai", model="m", base_url=f"{await serve(WireModel(refused))}/v1")
    with pytest.raises(ServiceError) as caught:
        await asked(provider, "sk-canary")
    assert caught.value.status == 401
    assert "AuthenticationError" in caught.value.detail
    assert "canary" not in f"{caught.value} {caught.value.detail}"


def test_package_that_is_not_installed_is_named_as_pip_knows_it() -> None:
    assert fault_of("groq") == "the package langchain-groq is not installed: pip install langchain-groq"


def test_missing_langchain_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    assert fault_of("openai").endswith("the package langchain is not installed: pip install langchain")


def test_name_that_langchain_does_not_know_is_a_fault() -> None:
    assert fault_of("openal").endswith('LangChain\'s init_chat_model knows no provider "openal"')


class Published(BaseChatModel):
    """A package's chat model, whose fields are all that it is given."""

    model: str = ""
    client_kwargs: Any = None
    base_url: str | None = None

    @property
    def _llm_type(self) -> str:
        return "published"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        request = httpx.Request("POST", "https://models.example")
        sent = next(httpx.Client(**self.client_kwargs)._build_request_auth(request).auth_flow(request))
        message = AIMessage(sent.headers["authorization"][::-1], response_metadata={"done_reason": "stop"})
        return ChatResult(generations=[ChatGeneration(message=message)])


def test_module_of_a_named_model_is_that_of_its_package() -> None:
    assert module_of("openai", "gpt-5-mini") == "langchain_openai"


@pytest.mark.promise("no-secret-leaves")
def test_model_that_would_use_a_secret_of_the_process_stops_the_start(package: Any) -> None:
    package("langchain_xai", "ChatXAI", Published)
    assert 'the chat model of "xai" takes no api_key' in fault_of("xai")


@pytest.mark.promise("no-secret-leaves")
def test_token_of_the_process_beside_the_key_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    named_chat_model("azure_openai", model="m")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-the-process")
    assert 'the chat model of "azure_openai" has a secret of the process' in fault_of("azure_openai")


@pytest.mark.promise("no-secret-leaves")
async def test_ollama_gets_the_key_by_its_client_which_no_form_of_the_model_shows(package: Any) -> None:
    package("langchain_ollama", "ChatOllama", Published)
    provider = named_chat_model("ollama", model="qwen3", base_url="http://127.0.0.1:11434", timeout=7)
    response = await asked(provider, "sk-alice")
    assert response.text == "Bearer sk-alice"[::-1]
    made = provider.chat.made(Secret("sk-canary"))
    assert (made.base_url, made.client_kwargs["timeout"]) == ("http://127.0.0.1:11434", 7)
    assert "canary" not in f"{made!r} {made.model_dump()}"


@pytest.mark.promise("no-secret-leaves")
def test_client_of_ollama_follows_no_redirect_with_the_key(package: Any) -> None:
    package("langchain_ollama", "ChatOllama", Published)
    provider = named_chat_model("ollama", model="qwen3", base_url="http://127.0.0.1:11434")
    assert provider.chat.made(Secret("sk")).client_kwargs["follow_redirects"] is False  # type: ignore[union-attr]  # Published
