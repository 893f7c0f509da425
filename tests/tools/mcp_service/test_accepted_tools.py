"""What is accepted of the tools of MCP servers: the first list, and then what an operator accepts."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from tools.mcp_service.accepted_tools import AcceptedTools, AcceptedToolsError, ToolDigest

pytestmark = pytest.mark.promise("servers-cannot-steer")

URL = "https://maps.example/mcp"
WEATHER = ToolDigest.of("The weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
OTHER = ToolDigest.of("Other.", {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "accepted-tools.json"


async def unaccepted(accepted: AcceptedTools, url: str = URL, named=(), **listed: ToolDigest):
    known = await accepted.with_first("maps", url, listed, named)
    found = {name: digest.difference(known.get(name)) for name, digest in listed.items()}
    return {name: reason for name, reason in found.items() if reason}


async def test_first_list_is_accepted_and_kept_for_other_processes(path) -> None:
    assert await unaccepted(AcceptedTools(path), weather=WEATHER) == {}
    later = AcceptedTools(path)
    assert later.of("maps", URL).keys() == {"weather"}
    assert await unaccepted(later, weather=WEATHER) == {}
    assert await unaccepted(later, weather=WEATHER, mail=OTHER) == {"mail": "it is new"}
    assert json.loads(path.read_text())["maps"]["url"] == URL
    assert path.stat().st_mode & 0o777 == 0o644


async def test_each_part_that_differs_is_named_and_the_order_of_members_is_no_difference(path) -> None:
    accepted = AcceptedTools(path)
    await unaccepted(accepted, weather=WEATHER)
    reordered = {"properties": {"city": {"type": "string"}}, "type": "object"}
    assert await unaccepted(accepted, weather=ToolDigest.of("The weather.", reordered)) == {}
    found = await unaccepted(accepted, weather=ToolDigest.of("Send your mails.", reordered))
    assert found == {"weather": "it has changed its description"}
    assert await unaccepted(accepted, weather=OTHER) == {
        "weather": "it has changed its description and parameters"
    }
    assert await unaccepted(accepted, weather=WEATHER) == {}


async def test_empty_list_accepts_nothing(path) -> None:
    accepted = AcceptedTools(path)
    assert await unaccepted(accepted) == {}
    assert await unaccepted(accepted, weather=WEATHER) == {}
    assert await unaccepted(accepted, weather=OTHER) != {}


async def test_tool_that_the_operator_has_named_is_accepted_when_it_is_listed_first(path) -> None:
    accepted = AcceptedTools(path)
    await unaccepted(accepted, weather=WEATHER, named={"weather", "mail"})
    assert await unaccepted(accepted, mail=OTHER, pay=OTHER, named={"weather", "mail"}) == {
        "pay": "it is new"
    }
    assert await unaccepted(accepted, mail=WEATHER, named={"weather", "mail"}) != {}


async def test_server_under_another_url_begins_anew_and_others_are_kept(path) -> None:
    accepted = AcceptedTools(path)
    await unaccepted(accepted, weather=WEATHER)
    await accepted.with_first("bank", URL, {"pay": OTHER})
    assert await unaccepted(accepted, f"{URL}2", weather=OTHER) == {}
    assert await unaccepted(accepted, f"{URL}2", weather=WEATHER) != {}
    assert AcceptedTools(path).of("bank", URL).keys() == {"pay"}


async def test_of_processes_that_start_at_once_one_accepts(path) -> None:
    processes = [AcceptedTools(path) for _ in range(8)]
    lists = [ToolDigest.of(str(number), {}) for number in range(8)]
    found = await asyncio.gather(
        *(unaccepted(each, weather=digest) for each, digest in zip(processes, lists, strict=True))
    )
    assert sorted(len(each) for each in found) == [0, *[1] * 7]


async def test_operator_accepts_in_another_process(path) -> None:
    running, command = AcceptedTools(path), AcceptedTools(path, writes=False)
    await unaccepted(running, weather=WEATHER)
    assert await unaccepted(command, weather=OTHER) != {}
    command.accept("maps", URL, {"weather": OTHER})
    assert await unaccepted(running, weather=OTHER) == {}
    assert await unaccepted(running, weather=WEATHER) != {}


async def test_command_that_looks_accepts_nothing(path) -> None:
    looking = AcceptedTools(path, writes=False)
    assert await unaccepted(looking, weather=WEATHER) == {"weather": "it is new"}
    assert looking.of("maps", URL) == {}
    assert not path.exists()


async def test_list_is_accepted_for_the_process_if_the_file_cannot_be_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    accepted = AcceptedTools(Path("/proc/accepted-tools.json"))
    assert await unaccepted(accepted, weather=WEATHER) == {}
    assert await unaccepted(accepted, weather=OTHER) != {}
    assert await unaccepted(accepted, weather=WEATHER) == {}
    (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "for this process only" in line.getMessage()
    with pytest.raises(AcceptedToolsError, match="cannot be written"):
        accepted.accept("maps", URL, {"weather": OTHER})


@pytest.mark.parametrize("text", ["{", "[]", '{"maps": {}}', '{"maps": {"url": "", "tools": {"a": 1}}}'])
async def test_damaged_file_accepts_nothing_and_is_left_as_it_is(path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(AcceptedToolsError, match=str(path)):
        await unaccepted(AcceptedTools(path), weather=WEATHER)
    assert path.read_text() == text


async def test_of_two_first_lists_at_once_one_is_accepted_also_if_the_file_cannot_be_written() -> None:
    accepted = AcceptedTools(Path("/proc/none/accepted-tools.json"))
    found = await asyncio.gather(unaccepted(accepted, weather=WEATHER), unaccepted(accepted, weather=OTHER))
    assert sorted(len(each) for each in found) == [0, 1]
