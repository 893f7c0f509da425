"""What the library is installed beside: one resolution for each of the packages that applications have.

`make lock` writes them to `tests/supply_chain/neighbours`, without hashes: they are not installed. The tests
show, from these files alone, that the present requirements of the base hold for each.
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from scripts.supply_chain.lock_files import ROOT

NEIGHBOURS: Final = (
    "a2a-sdk>=1",
    "bedrock-agentcore",
    "deepagents>=0.7",
    "fastmcp>=4",
    "langchain[mcp]>=1.5",
    "langchain-anthropic>=1.7",
    "langchain-google-genai>=4",
    "mcp>=2",
    "protobuf>=7",
)
FOLDER: Final = ROOT / "tests" / "supply_chain" / "neighbours"
BASE: Final = FOLDER / "none.txt"
"""The base alone, in the versions of `requirements.lock`."""
_OPTIONS: Final = (
    "--universal",
    "--python-version=3.11",
    "--upgrade",
    "--no-config",  # the constraint of pyproject.toml is that of the development's lock files
    "--no-strip-extras",
    "--no-emit-index-url",
    "--no-annotate",
    "--no-header",
    "--quiet",
)


def base() -> list[str]:
    """The requirements of the base of the distribution."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return list(project["dependencies"])


def file_of(neighbour: str) -> Path:
    """The resolution of the base beside `neighbour`."""
    return FOLDER / f"{Requirement(neighbour).name}.txt"


def _resolve(requirements: list[str], target: Path, *options: str) -> None:
    """Writes the newest versions that fit together. Raises `CalledProcessError` if there are none."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "compile", "-", *_OPTIONS, *options, "--output-file", str(target)]
    subprocess.run(command, input="\n".join(requirements), text=True, check=True, cwd=ROOT)  # noqa: S603 - our own command


def main() -> None:
    """Writes all files."""
    FOLDER.mkdir(exist_ok=True)
    _resolve(base(), BASE, "--constraint", "requirements.lock")
    for neighbour in NEIGHBOURS:
        _resolve([*base(), neighbour], file_of(neighbour))


if __name__ == "__main__":
    main()
