"""One error for several waiters, without what one of them leaves on it."""

from typing import TypeVar

from identity.errors import AgentError

E = TypeVar("E", bound=AgentError)


def anew(error: E) -> E:
    """An error that says the same, of the same class, and has been raised nowhere.

    An exception collects a traceback, whose frames hold the variables of the request that it passes through,
    and a context. Raised for two requests, one object would join them, and grow with each.
    """
    copy = type(error).__new__(type(error), *error.args)
    copy.__dict__.update(error.__dict__)
    return copy
