"""A thread is named by its owner, who is a verified caller: another user's cannot be named."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.conversations.owned_thread import OwnedThread, RunKey, ThreadOwner, stored_owner
from agent.conversations.thread import owner_digest
from tests.agent.conversations.processes import ALICE, BOB

pytestmark = pytest.mark.promise("threads-are-private")


def test_owner_of_threads_is_not_created_without_a_verified_caller() -> None:
    with pytest.raises(TypeError):
        ThreadOwner(owner_digest(ALICE.principal))
    with pytest.raises(TypeError):
        replace(ThreadOwner.of(ALICE), digest=owner_digest(BOB.principal))


def test_thread_of_a_caller_is_found_under_their_own_digest() -> None:
    thread = OwnedThread.of(ALICE, "t")
    assert thread == ThreadOwner.of(ALICE).thread("t")
    assert thread.place == (owner_digest(ALICE.principal), "t")
    assert RunKey(thread, "r").place == (owner_digest(ALICE.principal), "t", "r")


def test_one_identifier_of_two_callers_names_two_threads() -> None:
    assert OwnedThread.of(ALICE, "t") != OwnedThread.of(BOB, "t")
    assert OwnedThread.of(ALICE, "t") == stored_owner(owner_digest(ALICE.principal)).thread("t")


def test_only_the_stores_of_threads_call_stored_owner() -> None:
    root = Path(__file__).parents[3]
    packages = ("agent", "graph", "idaas_agent", "identity", "plugins", "tools", "sandbox")
    callers = {
        path.relative_to(root).as_posix()
        for package in packages
        for path in (root / package).rglob("*.py")
        if "tests" not in path.parts
        and ("stored_owner" in (text := path.read_text()) or "_OF_CALLER" in text)
    }
    stores = {"agent/conversations/threads.py", "agent/conversations/transcript.py"}
    assert callers == {"agent/conversations/owned_thread.py", *stores}
