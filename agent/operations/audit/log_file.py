"""The files of an audit log: their lines, and their order."""

import gzip
import re
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final, cast

MAX_LINE: Final = 1_048_576
"""Bytes. The agent's lines are shorter; a longer one is read in parts, none of which is a line."""

_NUMBER: Final = re.compile(rb'"process":"([0-9a-f]{1,64})","seq":([0-9]{1,18}),')


def read_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of `file` with their numbers, without line ends and without blank lines. Raises `OSError`."""
    number = 0
    with _opened(file) as content:
        whole = True
        while text := content.readline(MAX_LINE):
            number += whole
            whole = text.endswith(b"\n")
            text = text.removesuffix(b"\n")
            if text.strip(b" "):
                yield number, text


class FileOrder:
    """The order in which files were written, whatever order a shell lists them in.

    By the numbers of the chains that they share; files without a common chain by the times of their first
    lines.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = list(dict.fromkeys(files))
        self._begins: dict[Path, bytes] = {}
        self._lowest: dict[bytes, dict[Path, int]] = {}

    def note(self, file: Path, text: bytes) -> None:
        """The next line of `file`."""
        self._begins.setdefault(file, text[:40])
        if (match := _NUMBER.search(text)) is not None:
            lowest, seq = self._lowest.setdefault(match[1], {}), int(match[2])
            lowest[file] = min(seq, lowest.get(file, seq))

    def files(self) -> Sequence[Path]:
        """The files, the earliest first."""
        by_time = sorted(self._files, key=lambda file: self._begins.get(file, b""))
        order: TopologicalSorter[Path] = TopologicalSorter(dict.fromkeys(by_time, ()))
        for lowest in self._lowest.values():
            for earlier, later in pairwise(sorted(lowest, key=lambda file, low=lowest: low[file])):  # type: ignore[misc]
                order.add(later, earlier)
        found: list[Path] = []
        try:
            order.prepare()
        except CycleError:  # tampered with: verification says where
            return by_time
        while order.is_active():
            ready = sorted(order.get_ready(), key=by_time.index)
            found += ready
            order.done(*ready)
        return found


def _opened(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file, "rb")) if file.suffix == ".gz" else file.open("rb")
