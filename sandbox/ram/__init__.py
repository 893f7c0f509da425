"""RAM: the execution role of the agent, its policy, and temporary credentials for it (STS).

State and rules only. Imports nothing of the services, which hand the credentials out and verify them.
Begin at `execution_role`.
"""
