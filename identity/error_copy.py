"""Copies of an error for several waiters, without the traceback and context of any of them."""

from typing import TypeVar

from identity.errors import AgentError

E = TypeVar("E", bound=AgentError)


def copy_error(error: E) -> E:
    """An equal error of the same class that was never raised: without traceback and context.

    An exception collects a traceback, whose frames hold the variables of the request that it passes through,
    and a context. Raised for two requests, one object would join them, and grow with each.
    """
    copy = type(error).__new__(type(error), *error.args)
    copy.__dict__.update(error.__dict__)
    return copy
