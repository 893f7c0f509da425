"""YAML of deployment descriptions, in the order in which they are written."""

from collections.abc import Mapping
from typing import Any


def to_yaml(document: Mapping[str, Any]) -> str:
    """The document as YAML; texts that look like numbers or booleans are quoted."""
    import yaml

    return str(yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True))


def from_yaml(text: str) -> Any:  # noqa: ANN401 - whatever it contains
    """The content of a YAML text. Raises `ValueError` if it is not YAML."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError("is not YAML") from None
