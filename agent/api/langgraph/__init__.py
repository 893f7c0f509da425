"""LangGraph Server and Studio: the graph, the auth handler, and the guard of the server's own routes.

May import everything of `agent` but `agent.commands`.
Begin at `entry`, which `langgraph.json` names; `run_request_guard` decides which thread, input and answer a
client may send, and `sealed_callers` takes a caller to the process that runs for them.
"""
