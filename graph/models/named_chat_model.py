"""A chat model of LangChain's by the name of its provider, as `init_chat_model` knows it: `anthropic`."""

from collections.abc import Callable
from typing import Any, Final, cast

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from graph.models.provider import ChatModelProvider
from graph.models.published_chat_model import PublishedChatModel
from graph.models.shared_clients import keep_callers_apart
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.secrets.secret import Secret

_GOOGLE: Final = "google_genai"
_OLLAMA: Final = "ollama"
_OPENAI: Final = "openai"
_WITH_ARGUMENTS: Final = (_GOOGLE, _OLLAMA)
"""Those that make an HTTP client for each chat model, with arguments that are given here."""
_NO_REDIRECTS: Final = {"follow_redirects": False, "allow_redirects": False}
"""As `httpx` and `aiohttp` name it. Google's package has either, and leaves out what it does not know."""
_RETRIES: Final = 1
_AT_START: Final = Secret("not-a-key-but-what-the-start-checks-with")


def named_chat_model(
    name: str, *, model: str, base_url: str | None = None, timeout: float = 120.0
) -> ChatModelProvider:
    """The model `model` of LangChain's provider `name`, which gets the caller's key with each call.

    Without `base_url`, the provider's package knows the address. `timeout` (seconds) is for each wait of its
    client. What it trusts is the environment's `SSL_CERT_FILE`, or else the authorities that it comes with.

    Raises `ConfigurationError` for a package that is not installed, for an unknown name, and for a chat model
    that would not use the key, or has another secret beside it: it would act for each caller with a secret of
    the process. Also for one whose HTTP client is not known, which might have cookies and follow redirects.
    Raises also what the package raises for the other options.
    """
    try:
        make = _maker(name, model, base_url, timeout)
        chat = make(_AT_START)
    except ImportError as error:
        raise _not_installed(error) from None
    except ValueError as error:
        if not str(error).startswith("Unsupported provider"):
            raise
        raise _unusable(f'LangChain\'s init_chat_model knows no provider "{name}"') from None
    if name != _OLLAMA and not _has_key(chat):
        raise _unusable(
            f'the chat model of "{name}" takes no api_key, and would use a secret of the process for every'
            " caller: name a function of your own (docs/models.md)"
        )
    if _has_other_secret(chat):
        raise _unusable(
            f'the chat model of "{name}" has a secret of the process beside the api_key, and might use it for'
            " every caller: remove the secret from the environment"
        )
    if name not in _WITH_ARGUMENTS and not keep_callers_apart(chat):
        raise _unusable(
            f'the chat model of "{name}" has its HTTP client where it is not known: it might send a cookie of'
            " one caller with another's call, or follow a redirect with the key: name a function of your own"
            " (docs/models.md)"
        )
    return ChatModelProvider(make, api=name)


def module_of(name: str, model: str) -> str:
    """The top-level module that publishes the chat model. Raises as `named_chat_model` does."""
    provider = named_chat_model(name, model=model)
    made = cast(PublishedChatModel, provider.chat).made(_AT_START)
    return type(made).__module__.partition(".")[0]


def _maker(name: str, model: str, base_url: str | None, timeout: float) -> Callable[[Secret], BaseChatModel]:
    from langchain.chat_models import init_chat_model  # not installed with the agent

    options: dict[str, Any] = {} if base_url is None else {"base_url": base_url}
    if name == _OPENAI:  # it requests no token counts of streams from another address than its own
        options["stream_usage"] = True
    if name == _GOOGLE:  # the environment would choose Vertex AI, which acts with credentials of the process
        options |= {"vertexai": False, "client_args": _NO_REDIRECTS}

    def made(key: Secret) -> BaseChatModel:
        given: dict[str, Any] = {"api_key": key.reveal(), "timeout": timeout, "max_retries": _RETRIES}
        if name == _OLLAMA:  # it has no api_key, and no timeout of its own
            client = {"auth": _Bearer(key), "timeout": timeout, "follow_redirects": False}
            given = {"client_kwargs": client}
        return cast(BaseChatModel, init_chat_model(model, model_provider=name, **given, **options))

    return made


class _Bearer:
    """The key as the HTTP client's `auth`, which no form of the chat model shows."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: Any) -> Any:  # noqa: ANN401 - of the package's HTTP client
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request


def _has_key(chat: BaseChatModel) -> bool:
    return _AT_START.reveal() in _secrets_of(chat)


def _has_other_secret(chat: BaseChatModel) -> bool:
    return bool(_secrets_of(chat) - {"", _AT_START.reveal()})


def _secrets_of(chat: BaseChatModel) -> set[str]:
    values = vars(chat).values()
    return {value.get_secret_value() for value in values if isinstance(value, SecretStr)}


def _not_installed(error: ImportError) -> ConfigurationError:
    """`error` by the package that is missing. LangChain's own error is caused by that of the import."""
    missing = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    package = (missing.name or "langchain").partition(".")[0].replace("_", "-")
    return _unusable(f"the package {package} is not installed: pip install {package}")


def _unusable(fault: str) -> ConfigurationError:
    return ConfigurationError(IdentityCode.SETTINGS_INVALID, [fault])
