"""The images that a request attaches: told by their first bytes, never decoded. No URL is fetched (SSRF)."""

import base64
import re
import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from agent.errors.error_response import RequestError
from graph.files import DATA
from tools.file import UNKNOWN, file_part, media_type

_DATA_URL: Final = re.compile(r"data:[^,]{0,100};base64,")


class Image(NamedTuple):
    """An image as a client sends it: base64, and a name if it has one."""

    data: object
    name: str = "image"


def content_of(parts: Sequence[str | Image], where: str, most: int) -> str | list[str | dict[str, Any]]:
    """The content of a message with at most `most` images; a text, if all parts are.

    `where` names the list of the parts. Raises `RequestError`.
    """
    images = [part for part in parts if isinstance(part, Image)]
    if not images:
        return "".join(map(str, parts))
    if len(images) > most:
        problem = "no image can be attached: this model, or this API, takes text alone"
        if most:
            problem = f"at most {most} images can be attached to a message"
        raise RequestError(where, problem, code="unsupported_value")
    content: list[str | dict[str, Any]] = []
    for number, part in enumerate(parts):
        if isinstance(part, Image):
            content.append(_read(part, f"{where}[{number}]"))
        else:
            content.append({"type": "text", "text": part})
    return content


def of_data_url(url: str, where: str) -> Image:
    """The image in a `data:` URL. Raises `RequestError` for any other one."""
    if (match := _DATA_URL.match(url)) is None:
        problem = "expected a data: URL with base64; the agent fetches no image"
        raise RequestError(where, problem, code="unsupported_value")
    return Image(url[match.end() :])


def _read(image: Image, where: str) -> dict[str, Any]:
    try:
        data = base64.b64decode(image.data, validate=True) if isinstance(image.data, str) else b""
    except ValueError:
        raise RequestError(where, "expected base64") from None
    if (kind := media_type(data)) == UNKNOWN:
        raise RequestError(where, "expected a PNG, JPEG, WebP or GIF", code="unsupported_value")
    name = image.name if "." in image.name else f"{image.name}.{kind.partition('/')[2]}"
    return file_part(uuid.uuid4().hex, name, data) | {DATA: data}
