"""The additions of operators: services, the provider of the model, and code that the settings name.

Your own tool needs no line here: `docs/tools.md`.
"""

import ssl
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TypeVar

from agent.entry_points import failure_of, installed_entries
from agent.settings.declared_services import ENTRY_POINTS, declared_services
from agent.settings.settings import Settings
from agent.settings.variables.model import MODEL_STUDIO_API, OPENAI_COMPATIBLE, langchain_name
from graph.build import CompiledAgentGraph, compiled_graph
from graph.models.named_chat_model import named_chat_model
from graph.models.openai_compatible import model_studio, openai_compatible
from graph.models.provider import ModelProvider
from graph.nodes.operator_code import GraphDefinitionError
from graph.parts import GraphParts
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from tools.declared_service import load_function, title_faults, unused_policies
from tools.http_service.service import nodes_of
from tools.mcp_service.accepted_tools import AcceptedTools
from tools.mcp_service.service import MCPService
from tools.service import Service

A = TypeVar("A")
B = TypeVar("B")


def load_both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Both results. Raises one `ConfigurationError` with the faults of both."""
    faults: list[str] = []
    results: list[Any] = []
    for load in (first, second):
        try:
            results.append(load())
        except ConfigurationError as error:
            faults += error.faults
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return results[0], results[1]


def services(
    settings: Settings,
    tls: ssl.SSLContext,
    installed: Iterable[EntryPoint] | None = None,
    *,
    accepts_tools: bool = True,
) -> Sequence[Service]:
    """The services, in the order in which the model sees them. `tls` is what they trust.

    With `accepts_tools`, what MCP servers list first is accepted and kept.

    Raises `ConfigurationError` with every service that cannot be loaded, by name. An exception of a service's
    own code is reported by its type and place, because its text may contain anything.
    """
    listed: list[Service] = []
    faults: list[str] = []
    folder = settings.own_code
    for declared in declared_services(settings):
        try:
            made = declared.made(folder, tls)
            listed += nodes_of(made)
            place = f"SERVICES_FILE: services.{declared.name}.policies"
            faults += [f'{place}: the service has no tool "{tool}"' for tool in unused_policies(made)]
            of_titles = title_faults(made, declared.declaration)
            faults += [f"SERVICES_FILE: services.{declared.name}.{fault}" for fault in of_titles]
        except Exception as error:  # noqa: BLE001 - third-party code may raise anything
            declaration = f"SERVICES_FILE: services.{declared.name}.python"
            place = declaration if declared.name in settings.services else f'service "{declared.name}"'
            faults.append(f"{place} cannot be used: {failure_of(error)}")
    if installed is None:
        installed = installed_entries(ENTRY_POINTS)
    for entry in installed:
        try:
            service = entry.load()(tls)
            listed += nodes_of(service)
            if not {".", "/"}.isdisjoint(service.name):  # a tool's name is `service.tool`
                faults.append(f'service "{service.name}" must have a name without "." and "/"')
        except Exception as error:  # noqa: BLE001 - third-party code may raise anything
            faults.append(f'entry point "{entry.name}" cannot be used: {failure_of(error)}')
    names = [service.name for service in listed]
    faults += [
        f'service "{name}" is declared twice' for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    accepted = AcceptedTools(settings.accepted_tools_file, writes=accepts_tools)
    for service in listed:
        if isinstance(service, MCPService):
            service.selection.keep_to(accepted)
    return listed


def graph_source(settings: Settings) -> Any:  # noqa: ANN401 - whatever it names
    """The object that `GRAPH` names, if it is set. Raises `ConfigurationError` if it cannot be loaded."""
    if settings.graph is None:
        return None
    folder = str(settings.own_code.resolve())
    if folder not in sys.path:
        sys.path.append(folder)  # where a module of an application lies
    with unusable_graph():
        return load_function(settings.graph, settings.own_code)


def agent_graph(source: Any, parts: GraphParts) -> CompiledAgentGraph:  # noqa: ANN401 - what `GRAPH` names
    """The graph of `parts`, or what the function `source` makes of them.

    Raises `ConfigurationError`, with the file and line, if the function cannot be used.
    """
    if source is None:
        return compiled_graph(parts)
    with unusable_graph(source):
        return compiled_graph(parts, build=source)


@contextmanager
def unusable_graph(source: Any = None) -> Iterator[None]:  # noqa: ANN401 - what `GRAPH` names
    """Reports what is raised as a fault of `GRAPH`: in words, or by its type and place."""
    try:
        yield
    except GraphDefinitionError as error:
        code = getattr(source, "__code__", None)
        place = "" if code is None else f" at {Path(code.co_filename).name}:{code.co_firstlineno}"
        faults = [f"{error}{place}"]
    except ConfigurationError as error:  # of an identity of the application's own, or of its services
        faults = list(error.faults)
    except Exception as error:  # noqa: BLE001 - code from outside raises anything
        faults = [failure_of(error)]
    else:
        return
    raise ConfigurationError(
        IdentityCode.SETTINGS_INVALID, [f"GRAPH cannot be used: {fault}" for fault in faults]
    )


def model_provider(settings: Settings, tls: ssl.SSLContext, model: str | None = None) -> ModelProvider:
    """The provider that LLM_PROVIDER names, of `model` or else LLM_MODEL. `tls` is what it trusts.

    Raises `ConfigurationError` if its function cannot be loaded or fails.
    """
    options: dict[str, Any] = {
        "base_url": settings.llm_base_url,
        "model": model or settings.llm_model,
        "ssl_context": tls,
        "timeout": settings.model_timeout_seconds,
    }
    if settings.llm_provider == MODEL_STUDIO_API:
        return model_studio(**options, enable_thinking=settings.llm_enable_thinking)
    if settings.llm_provider == OPENAI_COMPATIBLE:
        return openai_compatible(**options)
    try:
        if (name := langchain_name(settings.llm_provider)) is not None:
            del options["ssl_context"]  # the package of its provider has its own client
            options["base_url"] = settings.model_address
            return named_chat_model(name, **options)
        provider: ModelProvider = load_function(settings.llm_provider)(**options)
    except ConfigurationError as error:
        faults = list(error.faults)
    except Exception as error:  # noqa: BLE001 - code from outside raises anything
        faults = [failure_of(error)]
    else:
        return provider
    raise ConfigurationError(
        IdentityCode.SETTINGS_INVALID, [f"LLM_PROVIDER cannot be used: {fault}" for fault in faults]
    )
