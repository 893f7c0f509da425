"""The order of versions: PEP 440 for PyPI, Semantic Versioning 2.0.0 for npm."""

import re
from typing import Any, Final

from packaging.version import InvalidVersion, Version

_SEMVER: Final = re.compile(
    r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII
)


def version_key(ecosystem: str, version: str) -> Any:  # noqa: ANN401 - keys of one ecosystem compare
    """A key that orders the versions of `ecosystem`. Raises `ValueError` for a version without an order."""
    if ecosystem == "PyPI":
        try:
            return Version(version)
        except InvalidVersion as error:
            raise ValueError(str(error)) from None
    if (match := _SEMVER.fullmatch(version.strip())) is None:
        fault = f"no semantic version: {version!r}"
        raise ValueError(fault)
    numbers = tuple(int(number or 0) for number in match.groups()[:3])
    return numbers, match[4] is None, tuple(map(_identifier, (match[4] or "").split(".")))


def _identifier(text: str) -> tuple[bool, int, str]:
    """Numbers come before words, and are compared as numbers (section 11.4)."""
    return (False, int(text), "") if text.isdecimal() else (True, 0, text)
