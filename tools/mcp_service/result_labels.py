"""The labels that an MCP server gives to one result: `_meta` of the result, or of a content block in it.

`{"idaas-agent/labels": {"data": "confidential", "trust": "untrusted"}}`, each of both optional. A server is
believed that its result is stricter than declared, never that it is less strict. What cannot be read counts
as the strictest: the call has been made, and its result must not be lost.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from tools.approval_policy import Data, Trust
from tools.result_labels import label_result

KEY: Final = "idaas-agent/labels"
_MEMBERS: Final = frozenset({"data", "trust"})
Word = TypeVar("Word", bound=StrEnum)


def label_by_meta(result: Mapping[str, Any]) -> None:
    """Labels the result of the call in progress by the `_meta` of `result`, and of each of its parts."""
    for meta in _metas(result):
        if KEY not in meta:
            continue
        said = meta[KEY]
        if isinstance(said, Mapping) and said.keys() <= _MEMBERS:
            data = _word(said.get("data", Data.UNLABELLED), Data.CONFIDENTIAL)
            trust = _word(said.get("trust", Trust.TRUSTED), Trust.UNTRUSTED)
            label_result(data=data, trust=trust)
        else:
            label_result(data=Data.CONFIDENTIAL, trust=Trust.UNTRUSTED)


def _metas(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = result.get("content")
    blocks = content if isinstance(content, list) else []
    for part in (result, *blocks):
        if not isinstance(part, Mapping):
            continue
        for described in (part, part.get("resource")):
            meta = described.get("_meta") if isinstance(described, Mapping) else None
            if isinstance(meta, Mapping):
                yield meta


def _word(said: Any, strictest: Word) -> Word:  # noqa: ANN401 - any JSON value
    """The word `said`; `strictest` in place of an unknown one."""
    try:
        return type(strictest)(said)
    except ValueError:
        return strictest
