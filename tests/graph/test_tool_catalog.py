"""ToolCatalog of tools: what is at hand is put together once, and never after it has changed."""

import pytest

from graph.tool_catalog import ToolCatalog
from tools.error_codes import ToolCode
from tools.service import ToolSchema


class Listing:
    """A service that has its tools at hand while `known`, and counts how often it is asked."""

    error_code = ToolCode.EXTERNAL_SERVICE_FAILED
    settings = ()

    def __init__(self, name, *tools):
        self.name = name
        self.known = True
        self.asked = 0
        self.list(*tools)

    def list(self, *tools):
        self.listed = [ToolSchema(tool, f"The tool {tool}.", {"type": "object"}) for tool in tools]

    def cached_tools(self, _access):
        return self.listed if self.known else None

    async def tools(self, _access):
        self.asked += 1
        return self.listed


@pytest.fixture
def services():
    return [Listing("amap", "weather"), Listing("enterprise", "greet")]


@pytest.fixture
def offers(services):
    return ToolCatalog(services, seconds=5)


ACCESSES = {"amap": None, "enterprise": None}


async def test_what_is_at_hand_is_put_together_once_and_nobody_is_asked(services, offers):
    first, second = await offers.offered(ACCESSES), await offers.offered(ACCESSES)
    assert first is second
    assert first.services == {"weather": "amap", "greet": "enterprise"}
    assert [service.asked for service in services] == [0, 0]


async def test_a_list_that_has_changed_is_offered_at_once(services, offers):
    await offers.offered(ACCESSES)
    services[0].list("weather", "geo")
    assert set((await offers.offered(ACCESSES)).services) == {"weather", "geo", "greet"}


async def test_what_is_not_at_hand_is_asked_for_and_not_remembered(services, offers):
    services[1].known = False
    first, second = await offers.offered(ACCESSES), await offers.offered(ACCESSES)
    assert first == second
    assert services[1].asked == 2
