"""What each sealed value is bound to: its owner and its row. In another place it cannot be opened."""


def title_place(owner: str, thread_id: str) -> str:
    """Of the title of a thread."""
    return f"title\n{owner}\n{thread_id}"


def message_place(owner: str, thread_id: str, run_id: str) -> str:
    """Of the messages that a run has added to a thread."""
    return f"message\n{owner}\n{thread_id}\n{run_id}"


def draft_place(owner: str, thread_id: str, run_id: str, number: int) -> str:
    """Of one draft of what a run has shown."""
    return f"draft\n{owner}\n{thread_id}\n{run_id}\n{number}"


def request_place(owner: str, approval_id: str) -> str:
    """Of the request of an approval."""
    return f"approval\n{owner}\n{approval_id}\nrequest"


def approved_place(owner: str, approval_id: str) -> str:
    """Of the digest of the arguments that were approved."""
    return f"approval\n{owner}\n{approval_id}\napproved"
