"""The variables of the language model."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from identity.secrets.secret_file import read_bounded_text
from identity.settings.values import SecretInFile, Url, VariableGroup, Word, holds, parsed_by

MODEL_STUDIO: Final = "https://dashscope.aliyuncs.com"
"""Model Studio in Beijing, which serves the model and the external MCP server by default."""
MAX_BYTES: Final = 64 * 1024
_WHITE_SPACE: Final = "\t\n\r"


def read_prompt_file(name: str) -> str:
    """The text of the file, without white space and byte order mark around it.

    Raises `ValueError`, without any of the text, if it is not a regular file that can be read, has more than
    `MAX_BYTES`, is not UTF-8, contains other control characters than tabs and line breaks, or has no text.
    """
    if not holds(Path(name).is_file):
        raise ValueError("must name a file that can be read")
    try:
        text = read_bounded_text(Path(name), MAX_BYTES).removeprefix("\ufeff").strip()
    except ValueError as error:
        raise ValueError(f"names a file that {error}") from None
    if any(character < " " and character not in _WHITE_SPACE for character in text):
        raise ValueError("must name a file without control characters")
    if not text:
        raise ValueError("must name a file with a text, found none")
    return text


_FUNCTION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


MODEL_STUDIO_API = "model_studio"
OPENAI_COMPATIBLE = "openai_compatible"
"""The kinds of API behind `LLM_BASE_URL` that the agent knows itself."""
_LANGCHAIN: Final = "langchain"


def _provider(value: str) -> str:
    if value not in (MODEL_STUDIO_API, OPENAI_COMPATIBLE) and not _FUNCTION.fullmatch(value):
        raise ValueError(
            "must be model_studio, openai_compatible, langchain:provider or package.module:function"
        )
    return value


def langchain_name(provider: str) -> str | None:
    """`anthropic` of `langchain:anthropic`: the name by which LangChain's `init_chat_model` knows it."""
    package, _, name = provider.partition(":")
    return name if package == _LANGCHAIN and name else None


class ModelVariables(VariableGroup):
    """The model: its provider, its address and key, and its instructions."""

    heading = "The model"

    llm_provider: Annotated[str, AfterValidator(_provider)] = MODEL_STUDIO_API
    """`model_studio`; `openai_compatible`, any other such endpoint; `langchain:anthropic`, or another
    provider of LangChain's `init_chat_model`; or `package.module:function` for your own (`docs/models.md`).
    All but the first need `LLM_MODEL`, the second and the last also `LLM_BASE_URL`."""
    llm_base_url: Url = f"{MODEL_STUDIO}/compatible-mode/v1"
    """The endpoint of Model Studio in your region, or of your provider. With `langchain:provider`, the
    default is its package's."""
    llm_model: Word = "qwen-plus"
    """The model's name."""
    llm_api_key_identifier: Word | None = None
    """The identifier of the model's API key in IDaaS. Must be set unless `LLM_API_KEY_FILE` is."""
    llm_api_key_file: SecretInFile | None = None
    """A file with the model's API key, in place of `LLM_API_KEY_IDENTIFIER`."""
    llm_images: Annotated[int, Field(ge=0, le=16)] = 0
    """How many images a question may have, and how many of a conversation's newest ones the model gets. `0`:
    none."""
    llm_enable_thinking: bool | None = None
    """Model Studio's switch for thinking before the answer. Sent only if it is set."""
    system_prompt_file: Annotated[str, parsed_by(read_prompt_file)] | None = None
    """A file with the system prompt of the model, UTF-8, at most 64 KiB (`docs/models.md`)."""

    @property
    def model_address(self) -> str | None:
        """Where the model is; `None`: where the package of its provider knows it."""
        is_given = "llm_base_url" in self.model_fields_set
        return self.llm_base_url if is_given or langchain_name(self.llm_provider) is None else None

    @classmethod
    def missing_faults(cls, given: Mapping[str, str]) -> dict[str, str]:
        if "llm_api_key_identifier" in given or "llm_api_key_file" in given:
            return {}
        return {"llm_api_key_identifier": "LLM_API_KEY_IDENTIFIER must be set"}

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        if "llm_api_key_identifier" in given and "llm_api_key_file" in given:
            yield "LLM_API_KEY_FILE and LLM_API_KEY_IDENTIFIER must not both be set"
        provider = given.get("llm_provider", "")
        if provider == OPENAI_COMPATIBLE or _FUNCTION.fullmatch(provider):
            needed = ["llm_model"] if langchain_name(provider) else ["llm_base_url", "llm_model"]
            yield from (
                f"{name.upper()} must be set if LLM_PROVIDER is {provider}"
                for name in needed
                if name not in given
            )
            if "llm_enable_thinking" in given:
                yield "LLM_ENABLE_THINKING must not be set if LLM_PROVIDER is not model_studio"
