"""A chat model that responds by a script."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

DONE = AIMessage("done")
Turn = AIMessage | Exception | Callable[[Sequence[AnyMessage]], AIMessage]


def calls(*named: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    """A response that calls tools; `call_1`, `call_2`, … by position."""
    return AIMessage(
        text,
        tool_calls=[
            {"name": name, "args": arguments, "id": f"call_{n}"}
            for n, (name, arguments) in enumerate(named, 1)
        ],
    )


class ScriptedModel(BaseChatModel):
    """Responds by a script, one turn for each call; the last turn is repeated."""

    turns: list[Any]
    _asked: list[Sequence[AnyMessage]] = PrivateAttr(default_factory=list)
    _tools: list[list[str]] = PrivateAttr(default_factory=list)
    _keys: list[str] = PrivateAttr(default_factory=list)

    @property
    def asked(self):
        return self._asked

    @property
    def tools(self):
        return self._tools

    @property
    def keys(self):
        return self._keys

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _turn(self, messages, options) -> AIMessage:
        self._asked.append(messages)
        self._tools.append([tool["function"]["name"] for tool in options.get("tools", [])])
        self._keys.append(options["api_key"].reveal())
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        if isinstance(turn, Exception):
            raise turn
        if callable(turn):
            turn = turn(messages)
        has_calls = turn.tool_calls or turn.invalid_tool_calls
        finish = {"finish_reason": "tool_calls" if has_calls else "stop"}
        return turn.model_copy(update={"id": None, "response_metadata": finish | turn.response_metadata})

    def _generate(self, messages, stop=None, run_manager=None, **options):  # noqa: ARG002 - the base's shape
        return ChatResult(generations=[ChatGeneration(message=self._turn(messages, options))])

    async def _agenerate(self, messages, stop=None, run_manager=None, **options):
        return self._generate(messages, stop, run_manager, **options)

    async def _astream(self, messages, stop=None, run_manager=None, **options):  # noqa: ARG002 - the base's shape
        turn = self._turn(messages, options)
        thought = turn.additional_kwargs.get("reasoning_content")
        if thought:
            chunk = AIMessageChunk("", additional_kwargs={"reasoning_content": thought})
            yield ChatGenerationChunk(message=chunk)
        for word in str(turn.text).split():
            yield ChatGenerationChunk(message=AIMessageChunk(f"{word} "))
        for index, call in enumerate([*turn.tool_calls, *turn.invalid_tool_calls]):
            arguments = call["args"] if isinstance(call["args"], str) else json.dumps(call["args"])
            chunk = {"index": index, "name": call["name"], "args": arguments, "id": call["id"]}
            yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=[chunk]))
        yield ChatGenerationChunk(message=AIMessageChunk("", response_metadata=turn.response_metadata))
