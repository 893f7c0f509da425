"""Responses of the scripted model that several tests of A2A have in common."""

from langchain_core.messages import AIMessage

from tests.leave_application import APPLIES

TALE = AIMessage("Once upon a time")
APPLY = APPLIES.model_copy(update={"content": "I apply."})
