"""The models on offer. All are the same stand-in; they differ in how they think, as the real ones do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STAND_IN = "A stand-in: the sandbox's deterministic planner, not a language model."


@dataclass(frozen=True, slots=True)
class Model:
    """`thinks`: unless thinking is switched off. `thinks_in_streams_only`: thinking needs `stream: true`."""

    name: str
    thinks: bool = False
    thinks_in_streams_only: bool = False

    @property
    def body(self) -> Mapping[str, Any]:
        return {
            "id": self.name,
            "object": "model",
            "created": 1_735_660_800,
            "owned_by": "sandbox stand-in",
            "description": STAND_IN,
        }


MODELS = {
    model.name: model
    for model in (
        Model("qwen-plus"),
        Model("qwen-turbo"),
        Model("qwen-flash"),
        Model("qwen-max"),
        Model("qwen3.5-plus", thinks=True),
        Model("qwen3.8-max", thinks=True),
        Model("qwen3-32b", thinks=True, thinks_in_streams_only=True),
        Model("qwq-plus", thinks=True, thinks_in_streams_only=True),
    )
}
