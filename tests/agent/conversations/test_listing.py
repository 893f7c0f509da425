"""Threads are listed by pages, the last changed first, and found by their titles."""

import pytest

from agent.conversations.thread import Thread
from agent.conversations.threads import ThreadStore
from tests.agent.conversations.stored_threads import ALICE, asked


async def test_list_has_pages_in_the_order_of_the_last_change(threads: ThreadStore) -> None:
    for number in range(7):
        await asked(threads, f"t{number}", f"Question {number}")
    await asked(threads, "t2", "Again")
    found: list[Thread] = []
    cursor = None
    while True:
        page, cursor = await threads.page(ALICE, limit=3, before=cursor)
        found += page
        if cursor is None:
            break
    assert [thread.id for thread in found] == ["t2", "t6", "t5", "t4", "t3", "t1", "t0"]
    assert await threads.page(ALICE, limit=7) == (found, None)


async def test_search_finds_titles_in_whatever_case_and_over_pages(threads: ThreadStore) -> None:
    for number, title in enumerate(["Leave", "Salary", "my LEAVE plan", "Straße", "请假"]):
        await threads.open(ALICE, f"t{number}", title)
    page, cursor = await threads.page(ALICE, limit=1, search="leave")
    assert [thread.title for thread in page] == ["my LEAVE plan"]
    rest, end = await threads.page(ALICE, limit=1, search="leave", before=cursor)
    assert ([thread.title for thread in rest], end) == (["Leave"], None)
    for text, title in (("STRASSE", "Straße"), ("假", "请假")):
        [found] = (await threads.page(ALICE, limit=5, search=text))[0]
        assert found.title == title
    assert await threads.page(ALICE, limit=5, search="100%_") == ([], None)


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "MS4wL2E_", "bmFuLyE", "ä", "1/a"])
async def test_cursor_that_is_none_is_a_value_error(threads: ThreadStore, cursor: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several causes
        await threads.page(ALICE, limit=5, before=cursor)
