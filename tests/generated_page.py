"""A page of the documents of which a target of `make` writes parts, each between its marks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_DOCUMENTS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True, slots=True)
class GeneratedPage:
    """The page `file`, of which `target` writes parts."""

    file: Path
    target: str

    @classmethod
    def named(cls, name: str, target: str) -> Self:
        """The page of the documents that has this name."""
        return cls(_DOCUMENTS / name, target)

    def marks(self, part: str) -> tuple[str, str]:
        """The lines before and after a part."""
        return f"<!-- made by `{self.target}`, {part}: -->\n", f"<!-- end of `{self.target}`, {part} -->\n"

    def text(self) -> str:
        """The whole page."""
        return self.file.read_text(encoding="utf-8")

    def having(self, part: str, content: str, page: str) -> str:
        """`page` with `content` between the marks of `part`, and nothing else changed. Raises `ValueError`
        without marks.
        """
        first, last = self.marks(part)
        before, begin, rest = page.partition(first)
        _, end, after = rest.partition(last)
        if not begin or not end:
            raise ValueError(f"the page lacks the marks of {part}")
        return f"{before}{begin}\n{content}\n{end}{after}"

    def write(self, parts: Mapping[str, str]) -> None:
        """Writes `parts`, by their names. Raises `ValueError` without marks, and changes nothing then."""
        page = self.text()
        for part, content in parts.items():
            page = self.having(part, content, page)
        self.file.write_text(page, encoding="utf-8")
