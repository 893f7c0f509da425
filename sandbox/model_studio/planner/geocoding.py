"""Turning names into points with a tool that is offered for it: the first link of a chain of calls."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.model_studio.planner.conversation import Call, Conversation, Outcome, Tool
from sandbox.model_studio.planner.roles import Role, role
from sandbox.model_studio.planner.tool_fit import Toolbox

_LOCATION = re.compile(r"\"location\"\s*:\s*\"(-?\d+(?:\.\d+)?,-?\d+(?:\.\d+)?)\"")
_ANY_POINT = re.compile(r"(?<![\d.])(-?\d{1,3}\.\d+),\s*(-?\d{1,2}\.\d+)(?![\d.])")


@dataclass(frozen=True, slots=True)
class Geocoder:
    """A tool that takes an address and answers coordinates."""

    tool: Tool
    argument: str

    def call(self, place: str) -> Call:
        """The call that asks for the point of `place`."""
        return Call(self.tool.name, {self.argument: place})


@dataclass(frozen=True, slots=True)
class Point:
    """Coordinates as `lng,lat`, or the call that must be made for them, or the outcome that had none."""

    text: str = ""
    first: Call | None = None
    failed: Outcome | None = None


def find_geocoder(toolbox: Toolbox) -> Geocoder | None:
    """The first offered tool that is about coordinates, takes an address and needs no coordinates itself."""
    for tool in toolbox.tools:
        if not toolbox.has_concept(tool, "geocode") or toolbox.has_concept(tool, "regeocode"):
            continue
        roles = {name: role(name, schema) for name, schema in tool.properties.items()}
        needed: Sequence[str] = tool.required or tuple(roles)
        if len(needed) == 1 and roles[needed[0]] in (Role.ADDRESS, Role.CITY, Role.OTHER, Role.KEYWORDS):
            return Geocoder(tool, needed[0])
    return None


def locate(place: str, geocoder: Geocoder | None, conversation: Conversation) -> Point:
    """The point of a place: written as coordinates, or as the geocoder answered; empty if there is no way."""
    if written := _ANY_POINT.fullmatch(place.strip()):
        return Point(f"{written[1]},{written[2]}")
    if geocoder is None:
        return Point()
    call = geocoder.call(place)
    outcome = conversation.outcome(call)
    if outcome is None:
        return Point(first=call)
    if found := _LOCATION.search(outcome.text):
        return Point(found[1])
    if found := _ANY_POINT.search(outcome.text):
        return Point(f"{found[1]},{found[2]}")
    return Point(failed=outcome)
