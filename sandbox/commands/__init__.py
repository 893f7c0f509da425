"""What a person types to try the agent: `up`, `sandbox` and `new`, and the server of the page.

May import the agent, which the rest of the sandbox may not; nothing else of the sandbox imports it.
Begin at `up`.
"""
