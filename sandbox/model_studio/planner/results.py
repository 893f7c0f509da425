"""Reading a tool's result: whether it failed, and if not, how to say it."""

import json
import re
from collections.abc import Mapping

from sandbox.model_studio.planner import listing, map_answers

_FAILED = re.compile(
    r"^\W*(?:error|failed|failure|exception|timed? ?out|refused)\b"
    r"|^[^\n{]{0,60}\bfailed:"  # Geocoding failed: ENGINE_RESPONSE_DATA_ERROR
    r"|^[a-z]+(?:_[a-z]+)+: "  # external_service_failed: …
    r"|^\W*(?:错误|失败|出错)",
    re.IGNORECASE,
)
_ERROR_KEYS = ("error", "error_code", "errorCode", "error_msg", "error_description")
_REASON_KEYS = ("symptom", "message", "cause", "error_description", "error_msg", "error", "code")


def parsed(text: str) -> object:
    """The JSON of a result, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def failure(text: str) -> str | None:
    """The reason, if the result says that the tool failed."""
    content = parsed(text)
    if isinstance(content, Mapping):
        if content.get("ok") is not False and not any(content.get(key) for key in _ERROR_KEYS):
            return None
        reasons = [listing.scalar(content[key]) for key in _REASON_KEYS if content.get(key)]
        return "; ".join(dict.fromkeys(reasons)) or text
    if isinstance(content, str) and _FAILED.search(content.strip()):
        return content.strip()
    return None


def describe(text: str, question: str, chinese: bool) -> str:
    """A successful result in Markdown."""
    content = parsed(text)
    if not isinstance(content, Mapping):
        return listing.plain(content, chinese)
    return map_answers.described(content, question, chinese) or listing.listed(content, question, chinese)
