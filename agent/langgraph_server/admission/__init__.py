"""Which requests for threads and runs a client may make: whose thread, which input, which answer.

May import everything of `agent` but `agent.commands`, and `sealing` of the folders beside it.
Begin at `thread_requests`, a middleware inside of the route guard.
"""
