"""The tool catalog: cached tools are joined once, and again after a change; a name has one service."""

from typing import Any

import pytest

from graph.tool_calls.tool_catalog import ToolCatalog
from identity.errors import ServiceError
from tools.error_codes import ToolCode
from tools.service import ToolSchema


class Listing:
    """A service whose tools are cached while `known`; counts the requests for its list."""

    error_code = ToolCode.EXTERNAL_SERVICE_FAILED
    settings = ()

    def __init__(self, name, *tools, outside=False):
        self.name = name
        self.known = True
        self.listings = 0
        self.outside = outside
        self.list(*tools)

    def list(self, *tools):
        schema = {"type": "object"}
        self.listed = [ToolSchema(tool, f"The tool {tool}.", schema, self.outside) for tool in tools]
        self.tool_names = frozenset(tools)

    def cached_tools(self, _access):
        return self.listed if self.known else None

    async def tools(self, _access):
        self.listings += 1
        if self.listed is None:
            raise ServiceError(self.error_code, "down")
        return self.listed


@pytest.fixture
def services():
    return [Listing("amap", "weather"), Listing("enterprise", "greet")]


@pytest.fixture
def catalog(services):
    return ToolCatalog(services, seconds=5)


CREDENTIALS = {"amap": None, "enterprise": None}


async def test_cached_tools_are_joined_once_without_a_request(services: Any, catalog: Any) -> None:
    first, second = await catalog.offered(CREDENTIALS), await catalog.offered(CREDENTIALS)
    assert first is second
    assert first.services == {"weather": "amap", "greet": "enterprise"}
    assert [service.listings for service in services] == [0, 0]


async def test_changed_list_is_offered_at_once(services: Any, catalog: Any) -> None:
    await catalog.offered(CREDENTIALS)
    services[0].list("weather", "geo")
    assert set((await catalog.offered(CREDENTIALS)).services) == {"weather", "geo", "greet"}


async def test_tools_that_are_not_cached_are_listed_each_time(services: Any, catalog: Any) -> None:
    services[1].known = False
    first, second = await catalog.offered(CREDENTIALS), await catalog.offered(CREDENTIALS)
    assert first == second
    assert services[1].listings == 2


async def owners(*services: Any) -> dict[str, str]:
    """The services of the offered tools, by the names of the tools."""
    return (await ToolCatalog(services, seconds=5).offered({each.name: None for each in services})).services


@pytest.mark.promise("servers-cannot-steer")
@pytest.mark.parametrize("outside", [True, False])
async def test_tool_that_two_services_have_is_offered_of_neither(outside: bool) -> None:
    first, second = Listing("amap", "pay", "map", outside=True), Listing("bank", "pay", "show", outside=True)
    first.outside = second.outside = outside
    first.list("pay", "map")
    second.list("pay", "show")
    assert await owners(first, second) == {"map": "amap", "show": "bank"}


@pytest.mark.promise("servers-cannot-steer")
async def test_tool_of_the_agents_code_stays_beside_a_listed_one_of_its_name() -> None:
    outside, inside = Listing("amap", "pay", "map", outside=True), Listing("bank", "pay")
    assert await owners(outside, inside) == {"map": "amap", "pay": "bank"}
    assert await owners(inside, outside) == {"map": "amap", "pay": "bank"}


@pytest.mark.promise("servers-cannot-steer")
async def test_name_stays_with_a_service_that_cannot_list_its_tools_now() -> None:
    outside, inside = Listing("amap", "pay", "map", outside=True), Listing("bank", "pay", outside=True)
    inside.listed, inside.known = None, False
    assert await owners(outside, inside) == {"map": "amap"}


async def test_tool_that_is_not_offered_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Listing("amap", "pay", outside=True), Listing("bank", "pay", outside=True)
    catalog = ToolCatalog([first, second], seconds=5)
    for _ in range(2):
        first.list("pay")  # a list that was not joined before
        await catalog.offered({"amap": None, "bank": None})
    (line,) = [record.getMessage() for record in caplog.records]
    assert [word for word in ('"pay"', '"amap"', '"bank"', "prefix") if word not in line] == []
