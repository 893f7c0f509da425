"""What the model may call at this moment: the tools of all services that can be used."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.access import RunAccess
from graph.conversation import failure_text
from identity.errors import AgentError, ServiceError
from tools.service import Service, ToolSchema

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """Tools in the form of the model's API, the service of each, and what to tell the model of the others."""

    tools: list[dict[str, Any]]
    services: dict[str, str]
    notes: list[str]


async def offer(services: Sequence[Service], accesses: Mapping[str, RunAccess], seconds: float) -> Offer:
    """Asks every service for its tools, side by side.

    A service that cannot say in time is left out and the model is told why; the others are not held up by it.
    Of two tools with one name, ours goes before one that an outside server lists, which could otherwise draw
    to itself what is meant for ours; else the one of the service that comes first.
    """
    found = await asyncio.gather(*(_tools(service, accesses[service.name], seconds) for service in services))
    offered = Offer([], {}, [])
    ours = {
        tool.name for tools in found if not isinstance(tools, AgentError) for tool in tools if not tool.listed
    }
    for service, tools in zip(services, found, strict=True):
        if isinstance(tools, AgentError):
            offered.notes.append(
                f'The tools of the service "{service.name}" cannot be used now: '
                f"{failure_text(tools.code, tools.detail)} If the user needs them, say this."
            )
            continue
        for tool in tools:
            if tool.name in offered.services or (tool.listed and tool.name in ours):
                logger.warning('tool "%s" of "%s" is hidden by another of its name', tool.name, service.name)
                continue
            offered.services[tool.name] = service.name
            offered.tools.append(
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.parameters),
                    },
                }
            )
    return offered


async def _tools(service: Service, access: RunAccess, seconds: float) -> Sequence[ToolSchema] | AgentError:
    try:
        async with asyncio.timeout(seconds):
            return await service.tools(access)
    except AgentError as error:
        return error
    except TimeoutError:
        return ServiceError(service.failure, f'"{service.name}" did not list its tools within {seconds:g} s')
    except Exception as error:  # noqa: BLE001 - one service's fault is no reason to fail the chat
        logger.warning('"%s" could not list its tools: %s', service.name, type(error).__name__)
        return ServiceError(service.failure, f'"{service.name}" could not list its tools')
