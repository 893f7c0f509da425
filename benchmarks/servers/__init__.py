"""The processes of a run: the agent, the cloud, and stand-ins that cost next to nothing."""
