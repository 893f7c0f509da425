"""A file of variables is read as python-dotenv reads it, and a line that it would skip is a fault."""

import io
import re
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from dotenv import dotenv_values
from dotenv.parser import parse_stream
from hypothesis import example, given
from hypothesis import strategies as st

from identity.settings.env_file import read_env_file, variables_of

_PARTS = [*"AB=x'\"\\ #\n\r\tn", "export ", "A=", "\n"]
_NO_NAME = re.compile(r"export[^\S\r\n]+#")
"""python-dotenv takes it for an empty line."""


@given(st.lists(st.sampled_from(_PARTS), max_size=20).map("".join))
@example("A=\"x\\n y\" # said\nexport B = 'it\\'s'\nC= # nothing\nD=#1\nE\n")
def test_variables_are_those_of_python_dotenv_and_no_line_is_skipped(text: str) -> None:
    if any(binding.error for binding in parse_stream(io.StringIO(text, newline=""))):
        with pytest.raises(ValueError, match="must have NAME=value in line"):
            variables_of(text)
        return
    read = dotenv_values(stream=io.StringIO(text, newline=""), interpolate=False)
    expected = {name: value for name, value in read.items() if value is not None}
    with suppress(ValueError) if _NO_NAME.search(text) else nullcontext():
        assert variables_of(text) == expected


def test_fault_names_the_line_and_shows_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "agent.env"
    file.write_text("# a key\r\nA=1\n\nB='sk-canary\n")
    with pytest.raises(ValueError, match=r"^must have NAME=value in line 4$"):
        read_env_file(file)
    file.write_text("A=1\r\nB=x y\n")
    assert read_env_file(file) == {"A": "1", "B": "x y"}
