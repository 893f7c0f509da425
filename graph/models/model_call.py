"""One call of a chat model of the agent's: its options, and who reads the response."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.utils import LC_ID_PREFIX

from graph.models.listeners import Listeners
from identity.secrets.secret import Secret

if TYPE_CHECKING:
    from graph.models.provider import ResponseReader


@dataclass(frozen=True, slots=True)
class ModelCall:
    """The arguments of `ainvoke`: the options `api_key` and `reader`, and the others, of the service."""

    api_key: Secret
    options: Mapping[str, Any]
    readers: Sequence["ResponseReader"]
    """The option `reader`, and the callbacks that show pieces."""
    message_id: str
    _listeners: Listeners

    @classmethod
    def of(cls, options: Mapping[str, Any], run: AsyncCallbackManagerForLLMRun | None) -> "ModelCall":
        """The call with `options`, of the run of LangChain's that callbacks see."""
        others = dict(options)
        api_key = cast(Secret, others.pop("api_key"))
        reader = cast("ResponseReader | None", others.pop("reader", None))
        listeners = Listeners(run)
        readers: list[ResponseReader] = []
        if reader is not None:
            readers.append(reader)
        if listeners:
            readers.append(listeners)
        run_id = run.run_id if run else uuid4()
        return cls(api_key, others, readers, f"{LC_ID_PREFIX}-{run_id}", listeners)

    async def result(self, message: AIMessage) -> ChatResult:
        """The result that is `message`, of which the callbacks hear that it has ended."""
        if self._listeners:
            await self._listeners.end(message)
        return ChatResult(generations=[ChatGeneration(message=message)])


class ReaderNotShown:
    """A chat model whose tracers show the parameters of a call without its reader."""

    def _get_invocation_params(
        self,
        stop: list[str] | None = None,
        **kwargs: Any,  # noqa: ANN401 - the model's options
    ) -> dict[str, Any]:
        kwargs.pop("reader", None)
        shown: dict[str, Any] = super()._get_invocation_params(stop, **kwargs)  # type: ignore[misc]  # of a chat model
        return shown
