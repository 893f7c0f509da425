"""A2A, the protocol between agents: the agent card, its JSON-RPC route, and the wire form of tasks.

May import the modules at the top of `agent.api`, and the decisions of `agent.api.threads`.
Begin at `routes`; `thread_tasks` maps tasks to runs, `encoder` writes the events of a run.
"""
