"""A model whose answers are recorded once and repeated after: `idaas_agent.testing` has its name."""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, ToolCall

from graph.models.provider import ModelProvider, ResponseReader
from identity.secrets.secret import Secret


class RecordedModel:
    """A `ModelProvider` that answers from a file. What the file does not have it asks `model`, once, and adds
    it to the file; without a `model` that fails.

    A request is known by its messages and the tools that it offers: when a prompt, a tool or a result
    changes, the answer is recorded anew. `api_key` is the key of `model`, in place of the kit's. The file has
    the answers and the digests of their requests, and no key. Delete it to record everything anew.
    """

    def __init__(
        self, file: Path | str, model: ModelProvider | None = None, *, api_key: Secret | None = None
    ) -> None:
        self._path: Final = Path(file)
        self._model: Final = model
        self._api_key: Final = api_key
        self._answers: dict[str, dict[str, Any]] = {}
        if self._path.exists():
            self._answers = json.loads(self._path.read_text("utf-8"))

    async def complete(
        self,
        messages: Sequence[AnyMessage],
        tools: Sequence[Mapping[str, Any]],
        *,
        api_key: Secret,
        reader: ResponseReader | None = None,  # noqa: ARG002 - an answer is repeated whole
    ) -> BaseMessage:
        """See `ModelProvider`."""
        digest = _digest(messages, tools)
        if digest not in self._answers:
            if self._model is None:
                asked = str(messages[-1].text)[:80]
                raise AssertionError(f'{self._path} has no answer to "{asked}": record it with a model')
            answer = await self._model.complete(messages, tools, api_key=self._api_key or api_key)
            self._keep(digest, _recorded(messages, answer))
        return _message(self._answers[digest])

    async def aclose(self) -> None:
        """See `ModelProvider`."""
        if self._model is not None:
            await self._model.aclose()

    def _keep(self, digest: str, answer: dict[str, Any]) -> None:
        self._answers[digest] = answer
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        draft.write_text(json.dumps(self._answers, indent=2, ensure_ascii=False) + "\n", "utf-8")
        draft.replace(self._path)


def _digest(messages: Sequence[AnyMessage], tools: Sequence[Mapping[str, Any]]) -> str:
    """The same for the same request in another run, whose messages and calls have other ids."""
    said = [[message.type, str(message.text), _calls(message)] for message in messages]
    text = json.dumps([said, list(tools)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _calls(message: BaseMessage) -> list[dict[str, Any]]:
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    return [{"name": call["name"], "arguments": call["args"]} for call in calls]


def _recorded(messages: Sequence[AnyMessage], answer: BaseMessage) -> dict[str, Any]:
    usage = answer.usage_metadata if isinstance(answer, AIMessage) else None
    return {
        "to": str(messages[-1].text)[:80],
        "text": str(answer.text),
        "calls": _calls(answer),
        "finish_reason": answer.response_metadata.get("finish_reason"),
        "tokens": [usage["input_tokens"], usage["output_tokens"]] if usage else [0, 0],
    }


def _message(answer: Mapping[str, Any]) -> AIMessage:
    calls = [
        ToolCall(name=call["name"], args=call["arguments"], id=f"call_{uuid.uuid4().hex}", type="tool_call")
        for call in answer["calls"]
    ]
    read, written = answer["tokens"]
    return AIMessage(
        answer["text"],
        id=uuid.uuid4().hex,
        tool_calls=calls,
        response_metadata={"finish_reason": answer["finish_reason"]},
        usage_metadata={"input_tokens": read, "output_tokens": written, "total_tokens": read + written},
    )
