"""A2A, the protocol between agents: the agent card, its JSON-RPC route, and the methods of that route.

May import the modules at the top of `agent.api`.
Begin at `routes`; `methods` names what a client can call and responds, `task` is what a run is for A2A.
"""
