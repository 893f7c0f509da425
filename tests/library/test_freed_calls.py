"""What is known of a call that waits keeps nothing of its conversation in memory."""

import gc

from langchain_core.messages import HumanMessage

from tests.library.called_app import Bank, call, called_app, pay


def kept_messages() -> list[HumanMessage]:
    gc.collect()
    return [kept for kept in gc.get_objects() if isinstance(kept, HumanMessage) and kept.content == "Do it."]


async def test_waiting_call_keeps_no_message_of_its_conversation():
    gc.collect()
    before = len(kept_messages())
    app = await called_app(Bank())
    await app.ask(call("balance", "call_1"), pay(50, "call_2"))
    assert len(kept_messages()) == before
