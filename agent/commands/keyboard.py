"""The person's input at the terminal: messages, and answers to questions that they have seen.

A terminal keeps what is typed or pasted while nobody reads it. A message takes it up, as further lines; an
answer drops it, because it was typed before its question was on the screen.
"""

import contextlib
import os
import re
import select
import sys
from typing import Final

from agent.commands.terminal import err, out

_PASTE_PAUSE: Final = 0.05
"""Seconds without input after which a paste has ended."""
_ANSWER_PAUSE: Final = 0.2
"""The same where a late line of a paste would decide."""
_KEYS: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
"""Keys that are no text, and the marks around a paste."""


def can_be_asked() -> bool:
    """Whether a person sees the questions, which go to standard error, and can answer them."""
    return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


def read_message(prompt: str, following: str) -> str:
    """A message. It goes on after a line that ends with `\\`, and for all lines of a paste, with the prompt
    `following`. Raises `EOFError` at Ctrl-D, and `KeyboardInterrupt`.
    """
    lines = [input(prompt)]
    while True:
        *pasted, last = _pending_text(_PASTE_PAUSE).split("\n")
        for line in pasted:
            out.print(f"{following}{line}")
        lines += pasted
        if last:
            lines.append(_prefilled(following, last))
        elif lines[-1].endswith("\\"):
            lines[-1] = lines[-1].removesuffix("\\")
            lines.append(input(following))
        else:
            return "\n".join(lines)


def read_answer(prompt: str, begins_with: str = "") -> str:
    """A line that is typed after `prompt` was shown, and after all that was shown before it.

    Raises `EOFError` at Ctrl-D, and `KeyboardInterrupt`.
    """
    if _pending_text(_ANSWER_PAUSE):
        err.print("What was typed before this question was not used.", style="dim")
    return _prefilled(prompt, begins_with)


def _prefilled(prompt: str, text: str) -> str:
    """A line that begins with `text`, which the person can change."""
    if not text:
        return input(prompt)
    import readline

    readline.set_startup_hook(lambda: readline.insert_text(text))
    try:
        return input(prompt)
    finally:
        readline.set_startup_hook()


def _pending_text(pause: float) -> str:
    """The text that has been typed and not read, until nothing comes for `pause` seconds. Nothing if input is
    no terminal.

    Lines are read as they are: the terminal would keep back one that has no end.
    """
    if not sys.stdin.isatty():
        return ""
    import termios

    keyboard = sys.stdin.fileno()
    attributes = termios.tcgetattr(keyboard)
    unbuffered = termios.tcgetattr(keyboard)
    unbuffered[3] &= ~(termios.ICANON | termios.ECHO)
    unbuffered[6][termios.VMIN] = 1
    unbuffered[6][termios.VTIME] = 0
    typed = b""
    with contextlib.ExitStack() as restored:
        restored.callback(termios.tcsetattr, keyboard, termios.TCSANOW, attributes)
        termios.tcsetattr(keyboard, termios.TCSANOW, unbuffered)
        while select.select([keyboard], [], [], pause)[0]:
            piece = os.read(keyboard, 65_536)
            if not piece:  # the terminal is gone
                break
            typed += piece
    text = typed.decode(errors="replace").replace("\r", "\n")
    return _KEYS.sub("", text)
