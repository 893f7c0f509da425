"""The name of a service, by that of a node. Command lines import it, and nothing else of `tools`."""


def service_of(node: str) -> str:
    """The service that a node calls, by the name that rules, labels, people and records have for it.

    Tools with another permission than their service's have a node of their own: `expenses/expenses.write`.
    """
    return node.partition("/")[0]
