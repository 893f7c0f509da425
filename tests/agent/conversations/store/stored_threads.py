"""Two owners, and threads with finished runs."""

from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.store.thread import owner_of
from agent.conversations.store.threads import ThreadStore
from identity.principal import Principal

ALICE = owner_of(Principal("https://idaas.example", "user_alice"))
BOB = owner_of(Principal("https://idaas.example", "user_bob"))


class Clock:
    """Advances by a second at each look."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


async def asked(threads: ThreadStore, thread_id: str, *texts: str, owner: str = ALICE) -> None:
    """A thread with one finished run for each question."""
    for number, text in enumerate(texts):
        run = f"run-{thread_id}-{number}"
        await threads.begin_run(owner, thread_id, run, "process", messages=[HumanMessage(text)])
        await threads.end_run(owner, thread_id, run, "idle", [AIMessage(f"Answer to {text}")])
