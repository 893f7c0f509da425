"""The model of the settings: Model Studio, another OpenAI-compatible endpoint, or your own provider."""

import ssl
from typing import Any

from agent.composition.code_reference import failure_of, load_function
from agent.errors.error_codes import AgentCode
from agent.settings.settings import Settings
from agent.settings.variables.model import LlmProvider
from graph.models.model_studio import model_studio
from graph.models.openai_compatible import openai_compatible
from graph.models.provider import ModelProvider
from identity.errors import ConfigurationError


def model_provider(settings: Settings, tls: ssl.SSLContext) -> ModelProvider:
    """The provider that LLM_PROVIDER names. `tls` is what it trusts.

    Raises `ConfigurationError` if its function cannot be loaded or fails.
    """
    options: dict[str, Any] = {
        "base_url": settings.llm_base_url,
        "model": settings.llm_model,
        "ssl_context": tls,
        "timeout": settings.model_timeout_seconds,
    }
    if settings.llm_provider == LlmProvider.MODEL_STUDIO:
        return model_studio(**options, enable_thinking=settings.llm_enable_thinking)
    if settings.llm_provider == LlmProvider.OPENAI_COMPATIBLE:
        return openai_compatible(**options)
    try:
        provider: ModelProvider = load_function(settings.llm_provider)(**options)
    except Exception as error:  # noqa: BLE001 - code from outside raises anything
        fault = f"LLM_PROVIDER cannot be used: {failure_of(error)}"
        raise ConfigurationError(AgentCode.SETTINGS_INVALID, [fault]) from None
    return provider
