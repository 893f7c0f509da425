"""The stage of Aegra: a server of LangGraph's API and two workers, with people who use LangGraph's client.

May import `cluster.chaos` and what it imports. Begin at `aegra_stage.py`; `langgraph_person.py` is a client
that does not give up.
"""
