"""The places that sealed values are bound to: column, owner, thread and run. Elsewhere a value is refused."""


def title_place(owner: str, thread_id: str) -> str:
    """The place of the title of a thread."""
    return f"title\n{owner}\n{thread_id}"


def message_place(owner: str, thread_id: str, run_id: str) -> str:
    """The place of the messages that a run has added to a thread."""
    return f"message\n{owner}\n{thread_id}\n{run_id}"


def draft_place(owner: str, thread_id: str, run_id: str, number: int) -> str:
    """The place of one draft of a run."""
    return f"draft\n{owner}\n{thread_id}\n{run_id}\n{number}"


def request_place(owner: str, thread_id: str, approval_id: str) -> str:
    """The place of the request of an approval. Its id follows from its run and call."""
    return f"request\n{owner}\n{thread_id}\n{approval_id}"


def state_place(owner: str, thread_id: str, approval_id: str) -> str:
    """The place of the state of an approval."""
    return f"state\n{owner}\n{thread_id}\n{approval_id}"


def checkpoint_place(owner: str, thread_id: str, run_id: str) -> str:
    """The place of the checkpoint of a run that waits."""
    return f"checkpoint\n{owner}\n{thread_id}\n{run_id}"
