"""What the agent can do: services, their tools, and the credential that each service declares.

May import `identity`.
Begin at `service`, the protocol of a service; `leave` adds a tool to a service and is an example to copy.
"""
