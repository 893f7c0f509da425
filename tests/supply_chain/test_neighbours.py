"""The base of the distribution is small, and is installed beside what people have in their applications."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.supply_chain.lock_files import ROOT, read_requirements
from scripts.supply_chain.neighbours import BASE, FOLDER, NEIGHBOURS, base, file_of

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
NOT_IN_THE_BASE = """
fastapi starlette uvicorn openai langchain-openai mcp langchain-mcp-adapters redis psycopg opentelemetry-sdk
prometheus-client typer rich jinja2 langserve protobuf
"""


def environment(python: str) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.1",
        "python_version": python,
        "sys_platform": "linux",
    }


def pinned(resolution: Path, python: str) -> dict[str, Requirement]:
    """What is installed there on Linux, by its names."""
    chosen: dict[str, Requirement] = {}
    for line in resolution.read_text().splitlines():
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(environment(python)):
            name = canonicalize_name(pin.name)
            assert name not in chosen, f"two versions of {name}"
            chosen[name] = pin
    return chosen


def unmet(requirements: list[str], resolution: Path, python: str) -> list[str]:
    """Those of `requirements` that the pinned versions do not meet."""
    pins = pinned(resolution, python)
    missing = []
    for text in requirements:
        wanted = Requirement(text)
        pin = pins.get(canonicalize_name(wanted.name))
        if pin is None or not wanted.extras <= pin.extras:
            missing.append(text)
            continue
        (version,) = (specifier.version for specifier in pin.specifier)
        if not wanted.specifier.contains(version, prereleases=True):
            missing.append(text)
    return missing


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_base_is_installed_beside_what_applications_have(neighbour: str, python: str) -> None:
    assert unmet([*base(), neighbour], file_of(neighbour), python) == []


@pytest.mark.parametrize("python", PYTHONS)
def test_base_is_at_most_fifty_packages_and_none_of_a_server(python: str) -> None:
    assert unmet(base(), BASE, python) == []
    names = pinned(BASE, python).keys()
    assert len(names) <= 50
    assert names.isdisjoint(NOT_IN_THE_BASE.split())


def test_base_has_the_versions_that_are_shipped_and_tested() -> None:
    shipped = {
        package.name: package.version
        for package in read_requirements((ROOT / "requirements.lock").read_text(), "", runtime=True)
    }
    for python in PYTHONS:
        for name, pin in pinned(BASE, python).items():
            assert str(pin.specifier) == f"=={shipped[name]}"


def test_resolution_with_an_unmet_requirement_is_noticed(tmp_path: Path) -> None:
    resolution = tmp_path / "resolution.txt"
    resolution.write_text("Some.Thing[a]==1.2\nother==2 ; python_version >= '3.12'\n")
    requirements = ["some-thing[a]>=1", "some-thing>=2", "some-thing[b]", "third", "other"]
    assert unmet(requirements, resolution, "3.12") == ["some-thing>=2", "some-thing[b]", "third"]
    assert unmet(requirements, resolution, "3.11") == requirements[1:]


def test_each_resolution_is_of_a_neighbour_and_names_no_registry() -> None:
    assert {*FOLDER.iterdir()} == {BASE, *map(file_of, NEIGHBOURS)}
    for resolution in FOLDER.iterdir():
        assert re.search(r"://|^-", resolution.read_text(), re.MULTILINE) is None
