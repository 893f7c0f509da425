"""`idaas-agent new`: a new project, which passes its test and answers in the sandbox.

It is the example `my_agent`, under another name.
"""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from agent.commands.terminal import out, own_command, stop

_EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "my_agent"
_NOT_COPIED: Final = frozenset({"__pycache__", ".pytest_cache", ".idaas-agent", ".sandbox"})
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def new(name: Annotated[str, typer.Argument(help="The name of the project: its folder here.")]) -> None:
    """Makes a project of your own: a tool, its policy and test, a graph, an image and CI."""
    if not _NAME.fullmatch(name):
        stop(f"a name must be words of small letters and digits, joined by hyphens, found {name}")
    folder = Path(name)
    if folder.exists():
        stop(f"{folder} exists")
    module = name.replace("-", "_")
    for source in sorted(_EXAMPLE.rglob("*")):
        path = source.relative_to(_EXAMPLE)
        if source.is_file() and _NOT_COPIED.isdisjoint(path.parts):
            target = folder / str(path).replace("my_agent", module)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_text("utf-8").replace("my-agent", name).replace("my_agent", module)
            target.write_text(text, "utf-8")
            out.print(f"  {target}")
    out.print(f"next: cd {name}; pytest; {own_command()} up --env-file dev.env")
