"""What the updates of a task say, as the official client receives them."""

from typing import Any


def states(updates: list[dict[str, Any]]) -> list[str]:
    """The states of a stream, without the prefix of their names."""
    statuses = [status_of(update) for update in updates if "artifactUpdate" not in update]
    return [status["state"].removeprefix("TASK_STATE_") for status in statuses]


def status_of(update: dict[str, Any]) -> dict[str, Any]:
    status: dict[str, Any] = update.get("task", update.get("statusUpdate", {}))["status"]
    return status


def task_id_of(updates: list[dict[str, Any]]) -> str:
    identifier: str = updates[0]["task"]["id"]
    return identifier


def text_of(updates: list[dict[str, Any]]) -> str:
    pieces = [update["artifactUpdate"]["artifact"] for update in updates if "artifactUpdate" in update]
    return "".join(part["text"] for piece in pieces for part in piece["parts"])


def texts_of(task: dict[str, Any]) -> list[str]:
    return [part["text"].strip() for each in task.get("artifacts", []) for part in each["parts"]]


def approval_of(update: dict[str, Any]) -> dict[str, Any]:
    """The approval in the status message of a task that waits."""
    approval: dict[str, Any] = status_of(update)["message"]["parts"][1]["data"]
    return approval
