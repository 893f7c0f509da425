"""An answer as it arrives: on a terminal rendered Markdown, block by block; elsewhere its text as it is."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

from agent.commands.terminal import Terminal
from identity.printable import without_open_emoji

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_DEFINITION: Final = re.compile(r"\[[^\]]+\]:(\s|$)")
"""Begins a line with the address of a link that stands elsewhere."""
_PARSER: Final = (
    MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable("reference")
)
"""Rich drops HTML. Definitions of addresses may come long after what refers to them was shown."""
_CODE_THEME: Final = "ansi_dark"
"""In the terminal's own colours."""
_A_SECOND: Final = 10
"""How often the block that arrives is shown anew."""


class AnswerText:
    """Prints one answer after another. Control characters are removed by the console.

    On a terminal each paragraph, list, table or code block is shown as it arrives, and stays when it is
    complete. No word is lost: HTML and references are shown as they were written, and the address of a
    link or an image stands beside its text.
    """

    def __init__(self, console: Terminal) -> None:
        self._console: Final = console
        self._is_rendered: Final = console.is_terminal
        if self._is_rendered:
            console.is_interactive = not console.is_dumb_terminal  # it was made before it had this terminal
        self._pending = ""
        self._has_begun = False
        self._live: Live | None = None

    def add(self, piece: str) -> None:
        """A further piece of the answer."""
        self._pending += piece
        if self._is_rendered:
            *whole, self._pending = _blocks(self._pending)
            for block in whole:
                self._print_block(block)
            self._show(self._pending)
            return
        characters = len(without_open_emoji(self._pending))
        self._console.print(self._pending[:characters], end="")
        self._pending = self._pending[characters:]
        self._has_begun = self._has_begun or bool(piece)

    def pause(self) -> None:
        """Before other lines on the same terminal."""
        if self._is_rendered:
            self.end()

    def end(self) -> None:
        """The answer has ended, or pauses: what was added is printed, and its line ended."""
        if self._is_rendered:
            for block in _blocks(self._pending):
                self._print_block(block)
        elif self._has_begun:
            self._console.print(self._pending)
        self._pending = ""
        self._has_begun = False

    def _show(self, block: str) -> None:
        """Shows the block that arrives, which is erased before it is printed."""
        if not block.strip():
            return
        if self._live is None:
            if self._has_begun:
                self._console.print()
            self._live = Live(
                console=self._console,
                transient=True,
                refresh_per_second=_A_SECOND,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(_Block(block))

    def _print_block(self, block: str) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self._has_begun and block.strip():
            self._console.print()
        if block.strip():
            self._console.print(_Block(block), soft_wrap=False)
            self._has_begun = True


class _Block:
    """A block of Markdown, without the empty rows that rich has around some kinds."""

    def __init__(self, text: str) -> None:
        self._markdown = Markdown("", code_theme=_CODE_THEME, hyperlinks=False)
        self._markdown.parsed = _PARSER.parse(text)
        for token in self._markdown.parsed:
            if token.children:
                token.children = list(_with_every_word(token.children))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = console.render_lines(self._markdown, options, pad=False)
        shown = [number for number, row in enumerate(rows) if any(part.text.strip() for part in row)]
        for row in rows[min(shown, default=0) : max(shown, default=-1) + 1]:
            text = "".join(part.text for part in row)
            yield from Segment.adjust_line_length(row, cell_len(text.rstrip()), pad=False)
            yield Segment.line()


def _with_every_word(tokens: Iterable[Token]) -> Iterator[Token]:
    """Parts of a text, with what rich leaves out: an image is a link to it, a title stands behind its link,
    and each definition of an address has a line of its own.
    """
    after_break: Token | None = None
    titles: list[str] = []
    for token in _without_images(tokens):
        if after_break is not None:
            if _DEFINITION.match(token.content):
                after_break.type = "hardbreak"
            after_break = None
        yield token
        if token.type == "softbreak":
            after_break = token
        elif token.type == "link_open":
            titles.append(str(token.attrs.get("title", "")))
        elif token.type == "link_close" and (title := titles.pop()):
            yield Token("text", "", 0, content=f' "{title}"')


def _without_images(tokens: Iterable[Token]) -> Iterator[Token]:
    """An image as a link; one within a link as its text, its address and its title."""
    in_link = False
    for token in tokens:
        in_link = token.type == "link_open" or (in_link and token.type != "link_close")
        if token.type != "image":
            yield token
            continue
        address = str(token.attrs.get("src", ""))
        if in_link:
            quoted = f'"{token.attrs["title"]}"' if token.attrs.get("title") else ""
            shown = [token.content, f"({address})", quoted]
            yield Token("text", "", 0, content=" ".join(filter(None, shown)))
            continue
        title = {"title": token.attrs["title"]} if "title" in token.attrs else {}
        yield Token("link_open", "a", 1, attrs={"href": address, **title})
        yield Token("text", "", 0, content=token.content)
        yield Token("link_close", "a", -1)


def _blocks(text: str) -> list[str]:
    """The blocks of `text`, each up to a line that begins another one; the last may be incomplete."""
    begins = [0]
    position = 0
    fence = ""
    after_blank = False
    for line in text.split("\n"):
        is_blank = not line.strip()
        if after_blank and not fence and not is_blank and not line[0].isspace():
            begins.append(position)
        if (found := _FENCE.match(line)) is not None:
            fence = _fence_after(fence, found[1], line)
        after_blank = is_blank
        position += len(line) + 1
    return [text[begin:end] for begin, end in zip(begins, [*begins[1:], len(text)], strict=True)]


def _fence_after(fence: str, marks: str, line: str) -> str:
    """The fence that is open after a line with `marks`; empty: none."""
    if not fence:
        return marks
    closes = marks.startswith(fence) and not line.strip().strip(marks[0])
    return "" if closes else fence
