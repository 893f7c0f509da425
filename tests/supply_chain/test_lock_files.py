"""The lock files as the supply-chain tools read them."""

import base64
import json
from pathlib import Path

import pytest

from scripts.supply_chain.lock_files import (
    DEVELOPMENT,
    ROOT,
    RUNTIME,
    LockFileError,
    packages,
    read_package_lock,
    read_requirements,
)

HASH = "ab" * 32
REQUIREMENTS = f"""\
# by uv
Some.Thing[extra]==1.2 ; sys_platform != 'win32' \\
    --hash=sha256:{HASH} \\
    --hash=sha256:{"cd" * 32}
other==2.0rc1 --hash=sha256:{HASH}
"""


def test_requirements_are_read_with_normal_names_and_all_hashes():
    thing, other = read_requirements(REQUIREMENTS, "file", runtime=True)
    assert (thing.ecosystem, thing.name, thing.version) == ("PyPI", "some-thing", "1.2")
    assert thing.hashes == (("SHA-256", HASH), ("SHA-256", "cd" * 32))
    assert (other.name, other.version) == ("other", "2.0rc1")


@pytest.mark.parametrize(
    "line", ["thing==1.2", "thing>=1.2 --hash=sha256:" + HASH, "-r more.txt", "./folder"]
)
def test_requirement_without_a_version_or_hash_is_an_error(line):
    with pytest.raises(ValueError, match="not a version with hashes"):
        list(read_requirements(line, "file", runtime=True))


def test_package_lock_is_read_with_scopes_aliases_and_licences():
    integrity = "sha512-" + base64.b64encode(b"\x01" * 64).decode()
    entry = {"version": "1.0.0", "integrity": integrity, "license": "MIT"}
    lock = {
        "packages": {
            "": {"name": "page"},
            "node_modules/@types/a": entry,
            "node_modules/b/node_modules/c": entry | {"dev": True},
            "node_modules/alias": entry | {"name": "real"},
        }
    }
    read = list(read_package_lock(lock, "file", runtime=True))
    assert [(each.name, each.runtime) for each in read] == [("@types/a", True), ("c", False), ("real", True)]
    assert read[0].hashes == (("SHA-512", "01" * 64),)
    assert read[0].declared_licence == "MIT"


def tree(root: Path, **contents: str) -> Path:
    """A folder with every lock file: empty, or of `contents` by its name without path and suffix."""
    for name in (*RUNTIME, *DEVELOPMENT):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        empty = json.dumps({"packages": {}}) if file.suffix == ".json" else ""
        file.write_text(contents.get(name, empty))
    return root


def test_package_of_several_lock_files_is_one_and_runtime_wins(tmp_path):
    pin = f"thing==1.2 --hash=sha256:{HASH}\n"
    development = pin + f"other==1 --hash=sha256:{HASH}\n"
    root = tree(tmp_path, **{"requirements.lock": pin, "requirements-dev.lock": development})
    other, thing = packages(root)
    assert (thing.runtime, thing.lock_files) == (True, ("requirements.lock", "requirements-dev.lock"))
    assert (other.runtime, other.lock_files) == (False, ("requirements-dev.lock",))


@pytest.mark.parametrize("content", ["{", "{}", '{"packages": {"node_modules/a": {"version": "1"}}}', "[]"])
def test_unreadable_lock_file_is_named(tmp_path, content):
    root = tree(tmp_path, **{"frontend/package-lock.json": content})
    with pytest.raises(LockFileError, match=r"frontend/package-lock\.json"):
        packages(root)


def test_missing_lock_file_is_named(tmp_path):
    (tree(tmp_path) / "requirements.lock").unlink()
    with pytest.raises(LockFileError, match=r"requirements\.lock"):
        packages(tmp_path)


def test_every_lock_file_of_the_repository_is_read():
    found = {
        str(file.relative_to(ROOT))
        for pattern in (
            "requirements*.lock",
            "deploy/**/*.lock",
            "frontend/package-lock.json",
            "tests/**/package-lock.json",
        )
        for file in ROOT.glob(pattern)
        if "node_modules" not in file.parts
    }
    assert found == {*RUNTIME, *DEVELOPMENT}
    assert {file for package in packages() for file in package.lock_files} == found
