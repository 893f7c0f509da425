"""Copies of an error for several requests, without the traceback and context of any of them."""

from typing import TypeVar

from identity.errors import AgentError

E = TypeVar("E", bound=AgentError)


def copy_error(error: E) -> E:
    """An equal error of the same class, without traceback and context.

    A raised exception collects a traceback, whose frames keep the local variables of the request, and a
    context. If one object were raised for two requests, each could reach the variables of the other, and the
    traceback would grow with every raise.
    """
    copy = type(error).__new__(type(error), *error.args)
    copy.__dict__.update(error.__dict__)
    return copy
