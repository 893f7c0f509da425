"""What the agent can do: services, their tools, and the credential that each declares."""
