"""Threads are listed by pages, the last changed first."""

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


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "MS4wL2E_", "bmFuLyE", "ä", "1/a"])
async def test_cursor_that_is_none_is_a_value_error(threads: ThreadStore, cursor: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several causes
        await threads.page(ALICE, limit=5, before=cursor)
