"""The entry for LangGraph Server and Studio: the graph, the auth handler, and the guard of its routes.

May import everything of `agent` but `agent.commands`.
Begin at `entry`, which `langgraph.json` names.
"""
