"""What each sealed value is bound to: its column, owner, thread and run. At another place it is refused."""


def title_place(owner: str, thread_id: str) -> str:
    """Of the title of a thread."""
    return f"title\n{owner}\n{thread_id}"


def message_place(owner: str, thread_id: str, run_id: str) -> str:
    """Of the messages that a run has added to a thread."""
    return f"message\n{owner}\n{thread_id}\n{run_id}"


def draft_place(owner: str, thread_id: str, run_id: str, number: int) -> str:
    """Of one draft of what a run has shown."""
    return f"draft\n{owner}\n{thread_id}\n{run_id}\n{number}"


def request_place(owner: str, thread_id: str, approval_id: str) -> str:
    """Of the request of an approval, whose id follows from its run and call."""
    return f"request\n{owner}\n{thread_id}\n{approval_id}"


def state_place(owner: str, thread_id: str, approval_id: str) -> str:
    """Of what became of the request."""
    return f"state\n{owner}\n{thread_id}\n{approval_id}"


def checkpoint_place(owner: str, thread_id: str, run_id: str) -> str:
    """Of the checkpoint of a run that waits."""
    return f"checkpoint\n{owner}\n{thread_id}\n{run_id}"
