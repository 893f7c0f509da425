"""A chat model is asked through LangChain where something may depend on that, and directly elsewhere."""

import asyncio
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, AsyncCallbackManager, BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context

from graph.models.provider import ChatModelProvider
from identity.secrets.secret import Secret

IMAGE = [{"type": "image", "source_type": "base64", "mime_type": "image/png", "data": "aGk="}]


class Asked(BaseChatModel):
    """Answers whether LangChain made a run for it."""

    @property
    def _llm_type(self) -> str:
        return "asked"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: Any, run_manager: Any = None, **options: Any) -> ChatResult:
        assert {type(message) for message in messages} == {HumanMessage}
        assert options.keys() - {"stop"} == {"api_key", "reader"}
        answer = AIMessage("directly" if run_manager is None else "in a run")
        return ChatResult(generations=[ChatGeneration(message=answer)])


async def answer(content: Any, *handlers: BaseCallbackHandler) -> str:
    """The answer in a run with these callbacks."""
    config: RunnableConfig = {"callbacks": AsyncCallbackManager(list(handlers))}
    provider = ChatModelProvider(Asked(), takes_reader=True)
    with set_config_context(config) as context:
        asking = provider.complete([HumanMessage(content)], (), api_key=Secret("key"))
        response = await asyncio.create_task(asking, context=context)
    return str(response.text)


@pytest.mark.parametrize(
    ("content", "handlers", "expected"),
    [("Hello", [], "directly"), ("Hello", [AsyncCallbackHandler()], "in a run"), (IMAGE, [], "in a run")],
    ids=["text", "a callback", "an image in an older form"],
)
async def test_model_is_asked_through_langchain_where_something_may_depend_on_it(
    content: Any, handlers: list[BaseCallbackHandler], expected: str
) -> None:
    assert await answer(content, *handlers) == expected


async def test_model_outside_of_a_run_is_asked_through_langchain() -> None:
    provider = ChatModelProvider(Asked(), takes_reader=True)
    response = await provider.complete([HumanMessage("Hello")], (), api_key=Secret("key"))
    assert response.text == "in a run"
