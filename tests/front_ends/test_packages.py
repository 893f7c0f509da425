"""The packages of the clients: pinned, and without the address of a registry."""

import json

import pytest

from tests.front_ends.node_script import FOLDER

PACKAGES = sorted(
    path.parent for path in FOLDER.rglob("package-lock.json") if "node_modules" not in path.parts
)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_lock_file_names_no_registry(package):
    lock = json.loads((package / "package-lock.json").read_text())

    assert all("resolved" not in each for each in lock["packages"].values())


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_every_client_has_one_version(package):
    versions = json.loads((package / "package.json").read_text())["devDependencies"].values()

    assert all(version.removeprefix("npm:").rpartition("@")[2][0].isdigit() for version in versions)
