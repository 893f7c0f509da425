"""The first protocol of LangGraph Server, as its chat front ends use it: threads, runs and their answers.

agent-chat-ui and Agent Inbox are no packages: the tests send what their code sends.
"""

import json
from dataclasses import dataclass
from typing import Any

import httpx

CHAT_MODES = ["values", "messages-tuple"]


@dataclass
class RunClient:
    """One user of the server. The key is in `X-Api-Key`, as in both front ends."""

    http: httpx.AsyncClient

    async def thread(self) -> str:
        answer = await self.http.post("/threads", json={})
        return str(answer.json()["thread_id"])

    async def stream(self, thread: str, **body: Any) -> tuple[httpx.Response, list[tuple[str, Any]]]:
        """The response of a run, and its events."""
        run = {
            "assistant_id": "agent",
            "input": None,
            "stream_mode": CHAT_MODES,
            "stream_subgraphs": True,
            "stream_resumable": True,
            "on_disconnect": "continue",
        }
        response = await self.http.post(f"/threads/{thread}/runs/stream", json=run | body)
        lines = response.text.replace("\r\n", "\n").split("\n\n") if response.status_code == 200 else []
        events = [
            (
                event.split("\n")[0].removeprefix("event: "),
                json.loads(event.split("\ndata: ")[1].split("\n")[0]),
            )
            for event in lines
            if event.startswith("event: ")
        ]
        return response, events

    async def say(self, thread: str, text: str) -> httpx.Response:
        """What agent-chat-ui sends: made-up results of unanswered calls, then the message in blocks."""
        state = (await self.http.get(f"/threads/{thread}/state")).json()
        messages = (state.get("values") or {}).get("messages", [])
        answered = {message.get("tool_call_id") for message in messages}
        made_up = [
            {
                "type": "tool",
                "tool_call_id": call["id"],
                "id": f"do-not-render-{call['id']}",
                "name": call["name"],
                "content": "Successfully handled tool call.",
            }
            for message in messages
            for call in message.get("tool_calls") or []
            if call["id"] not in answered
        ]
        human = {"type": "human", "content": [{"type": "text", "text": text}]}
        response, _ = await self.stream(thread, input={"messages": [*made_up, human], "context": {}})
        return response

    async def interrupts(self, thread: str) -> list[dict[str, Any]]:
        """The interrupts of a thread's row, from which Agent Inbox lists them."""
        row = (await self.http.get(f"/threads/{thread}")).json()
        if "interrupts" not in row:  # Aegra has them in the state
            state = (await self.http.get(f"/threads/{thread}/state")).json()
            return [interrupt for task in state["tasks"] for interrupt in task["interrupts"]]
        return [interrupt for of_task in row["interrupts"].values() for interrupt in of_task]

    async def join(self, thread: str) -> None:
        """Waits until the newest run of a thread has ended or waits for an approval."""
        [run] = (await self.http.get(f"/threads/{thread}/runs", params={"limit": 1})).json()
        await self.http.get(f"/threads/{thread}/runs/{run['run_id']}/join")

    async def messages(self, thread: str) -> list[dict[str, Any]]:
        history = await self.http.post(f"/threads/{thread}/history", json={"limit": 1})
        values: dict[str, Any] = history.json()[0]["values"]
        return list(values["messages"])
