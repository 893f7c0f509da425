"""The variables of the language model."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf

from agent.settings.prompt_file import read_prompt_file
from agent.settings.values import MODEL_STUDIO, Url, VariableGroup, Word, secret_in_file
from identity.secrets.secret import Secret

_FUNCTION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class LlmProvider(StrEnum):
    """The kinds of API behind `LLM_BASE_URL` that the agent knows itself."""

    MODEL_STUDIO = "model_studio"
    OPENAI_COMPATIBLE = "openai_compatible"


def _provider(value: str) -> str:
    if value not in {*LlmProvider} and not _FUNCTION.fullmatch(value):
        raise ValueError("must be model_studio, openai_compatible or package.module:function")
    return value


def _prompt_in_file(value: object) -> object:
    return read_prompt_file(Path(value)) if isinstance(value, str) else value


class ModelVariables(VariableGroup):
    """The model: its provider, its address and key, and its instructions."""

    llm_provider: Annotated[str, AfterValidator(_provider)] = Field(
        LlmProvider.MODEL_STUDIO.value,
        description="`model_studio`; `openai_compatible` for any other OpenAI-compatible endpoint, which"
        " receives no parameter that it may not know; or `package.module:function` for your own provider"
        " (`docs/extending.md`). The last two need `LLM_BASE_URL` and `LLM_MODEL`.",
    )
    llm_base_url: Url = Field(
        f"{MODEL_STUDIO}/compatible-mode/v1",
        description="The OpenAI-compatible endpoint of Model Studio in your region, or of your provider.",
    )
    llm_model: Word = Field("qwen-plus", description="The model's name.")
    llm_api_key_identifier: Word | None = Field(
        None,
        description="The identifier of the model's API key in IDaaS. Must be set unless"
        " `LLM_API_KEY_FILE` is.",
    )
    llm_api_key_file: Annotated[InstanceOf[Secret], BeforeValidator(secret_in_file)] | None = Field(
        None,
        description="A file with the model's API key on one line, for a provider whose key IDaaS does not"
        " keep. Read at start. In place of `LLM_API_KEY_IDENTIFIER`.",
    )
    llm_enable_thinking: bool | None = Field(
        default=None,
        description="Model Studio's switch for thinking before the answer. Sent only if it is set.",
    )
    system_prompt_file: Annotated[str, BeforeValidator(_prompt_in_file)] | None = Field(
        None,
        description="A file with the system prompt of the model, UTF-8, at most 64 KiB. Read at start."
        " Default: the built-in prompt.",
    )


def model_faults(given: Mapping[str, str]) -> list[str]:
    """Faults of variables that depend on each other, by the given variables in lower case."""
    faults = []
    if "llm_api_key_identifier" not in given and "llm_api_key_file" not in given:
        faults.append("LLM_API_KEY_IDENTIFIER must be set")
    if "llm_api_key_identifier" in given and "llm_api_key_file" in given:
        faults.append("LLM_API_KEY_FILE and LLM_API_KEY_IDENTIFIER must not both be set")
    provider = given.get("llm_provider", "")
    if provider == LlmProvider.OPENAI_COMPATIBLE or _FUNCTION.fullmatch(provider):
        faults += [
            f"{name.upper()} must be set if LLM_PROVIDER is not model_studio"
            for name in ("llm_base_url", "llm_model")
            if name not in given
        ]
        if "llm_enable_thinking" in given:
            faults.append("LLM_ENABLE_THINKING must not be set if LLM_PROVIDER is not model_studio")
    return faults
