"""`idaas-agent new`: a project that passes its test, answers in the sandbox, and is deployed as written.

It is the example `my_agent`, under another name, with the manifests of `deploy/kubernetes` and the wheel that
this command was installed from.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import typer

from agent.commands.help_panels import TRY, listed_in
from agent.commands.terminal import out, own_command, stop

_ROOT: Final = Path(__file__).resolve().parents[2]
_EXAMPLE: Final = _ROOT / "examples" / "my_agent"
_MANIFESTS: Final = _ROOT / "deploy" / "kubernetes"
_NOT_COPIED: Final = frozenset({"__pycache__", ".pytest_cache", ".hypothesis", ".idaas-agent", ".sandbox"})
"""What the commands of the example's page leave in its folder."""
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LOCK: Final = "requirements.lock"
_TEST_LOCK: Final = "requirements-test.lock"


@listed_in(TRY)
def new(name: Annotated[str, typer.Argument(help="The name of the project: its folder here.")]) -> None:
    """Makes a project of your own: a tool, its policy and test, a graph, an image, manifests and CI."""
    if not _NAME.fullmatch(name):
        stop(f"a name must be words of small letters and digits, joined by hyphens, found {name}")
    folder = Path(name)
    if folder.exists():
        stop(f"{folder} exists")
    module = name.replace("-", "_")
    _copy(_EXAMPLE, folder, {"my-agent": name, "my_agent": module})
    _copy(_MANIFESTS, folder / "deploy", {"deploy/kubernetes": "deploy", "idaas-agent": name})
    wheel = installed_wheel(_direct_url())
    for source in wheel:
        target = folder / "wheels" / source.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
        out.print(f"  {target}")
    if not wheel:
        out.print(
            f"next: make wheel in the agent's repository; put dist/*.whl and dist/{_LOCK} into {name}/wheels"
        )
    out.print(f"next: cd {name}; pip install --require-hashes -r {_TEST_LOCK}; pytest")
    out.print(f"next: {own_command()} up --env-file dev.env")


def _copy(source: Path, target: Path, words: Mapping[str, str]) -> None:
    """Copies the files of a folder with other words in their names and texts."""
    for file in sorted(source.rglob("*")):
        path = file.relative_to(source)
        if file.is_file() and _NOT_COPIED.isdisjoint(path.parts):
            text = file.read_text("utf-8")
            place = str(path)
            for word, other in words.items():
                text = text.replace(word, other)
                place = place.replace(word, other)
            written = target / place
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_text(text, "utf-8")
            out.print(f"  {written}")


def _direct_url() -> str:
    """What pip noted of the installation (PEP 610)."""
    try:
        return distribution("idaas-agent").read_text("direct_url.json") or "{}"
    except PackageNotFoundError:
        return "{}"


def installed_wheel(direct_url: str) -> list[Path]:
    """The wheel that was installed, and the lock file beside it, which has its hash. Empty if the agent was
    installed in another way, or if one of them is there no longer or is another.
    """
    wheel = Path(url2pathname(urlsplit(str(json.loads(direct_url).get("url", ""))).path))
    lock = wheel.with_name(_LOCK) if wheel.name else wheel
    if wheel.suffix != ".whl" or not wheel.is_file() or not lock.is_file():
        return []
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return [wheel, lock] if f"--hash=sha256:{digest}" in lock.read_text("utf-8") else []
