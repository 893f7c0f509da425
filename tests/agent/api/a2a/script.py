"""Responses of the scripted model that several tests of A2A have in common."""

from langchain_core.messages import AIMessage

from tests.graph.scripted_model import calls

TALE = AIMessage("Once upon a time")
APPLY = calls(("leave_apply", {"days": 3, "first_day": "2026-12-07"}), text="I apply.")
