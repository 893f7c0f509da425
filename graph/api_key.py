"""The key of the model call that is about to be made, by task: one model serves all callers with it."""

from contextvars import ContextVar

from identity.secret import Secret

api_key: ContextVar[Secret] = ContextVar("api_key")
"""Set in the node right before the call; read by the model's HTTP client for each request."""
