"""Any JSON as a Markdown list, what was asked for first; what is null is not worth saying."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from sandbox.model_studio.planner.roles import words_of
from sandbox.model_studio.planner.vocabulary import stem, words

MAX_ROWS = 10
_SPOKEN = ("greeting", "summary", "answer")


def listed(content: Mapping[str, Any], question: str, chinese: bool) -> str:
    """Texts that are meant to be read first, then what the question's words name, then the rest."""
    asked = words(question)
    spoken = [content[key] for key in _SPOKEN if isinstance(content.get(key), str)]
    rest = [key for key in content if key not in _SPOKEN or not isinstance(content[key], str)]
    rest = [key for key in rest if content[key] is not None]
    rest.sort(key=lambda key: -len(asked & {stem(word) for word in words_of(key)}))
    lines = [line for key in rest for line in _bullet(key, content[key], 0)]
    lead = spoken or ["工具返回：" if chinese else "The tool answered:"]
    return "\n".join([*lead, "", *lines] if lines else lead)


def plain(content: object, chinese: bool) -> str:
    """What is no JSON object: a list of objects, a link, a text."""
    if rows(content):
        return "\n".join(f"- {_inline(row)}" for row in content[:MAX_ROWS])
    if isinstance(content, str) and content.startswith("amapuri://"):
        return f"请在高德地图中打开：{content}" if chinese else f"Open this link in the map's app: {content}"
    return scalar(content) or ("工具没有返回内容。" if chinese else "The tool answered nothing.")


def rows(value: object) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether `value` is a list of objects, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def scalar(value: object) -> str:
    """A value in one line."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return ", ".join(scalar(item) for item in value)
    return json.dumps(value, ensure_ascii=False)


def _bullet(key: str, value: object, depth: int) -> list[str]:
    indent = "  " * depth
    label = f"{indent}- {' '.join(words_of(key)) or key}:"
    if isinstance(value, Mapping):
        told = ((str(name), member) for name, member in value.items() if member is not None)
        return [label, *(line for name, member in told for line in _bullet(name, member, depth + 1))]
    if rows(value):
        return [label, *(f"{indent}  - {_inline(row)}" for row in value[:MAX_ROWS])]
    return [f"{label} {scalar(value)}"]


def _inline(row: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{' '.join(words_of(key))}: {scalar(value)}" for key, value in row.items() if value is not None
    )
