"""What the parts of the agent count: requests, runs, the event loop, the process, approvals that wait.

May import the layers below the agent; nothing here knows the names of metrics or who reads them.
Begin at `agent_measures`, which has all measures of one agent.
"""
