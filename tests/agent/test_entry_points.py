"""Entry points are read once for all groups, and again when the import path has changed."""

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from typing import Any

import pytest

from agent.entry_points import installed_entries

GROUPS = ("idaas_agent.surfaces", "idaas_agent.commands", "idaas_agent.policies", "idaas_agent.absent")


class Counting(DistributionFinder):
    """Counts how often all installed distributions are asked for."""

    asked = 0

    def find_spec(self, *_: Any) -> None:
        return None

    def find_distributions(self, _context: Any = None) -> Iterator[Distribution]:
        self.asked += 1
        return iter(())


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    finder = Counting()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    return finder


def install(folder: Path, name: str) -> None:
    metadata = folder / f"{name}_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[idaas_agent.surfaces]\n{name} = {name}:SURFACE\n")


def names(group: str) -> list[str]:
    return [entry.name for entry in installed_entries(group)]


def test_installed_packages_are_read_once_for_all_groups(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for group in (*GROUPS, *GROUPS):
        installed_entries(group)
    assert counting.asked == 1


def test_package_that_is_installed_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "late" not in names("idaas_agent.surfaces")
    install(tmp_path, "late")
    assert names("idaas_agent.surfaces") == sorted([*names("idaas_agent.surfaces")])
    assert "late" in names("idaas_agent.surfaces")
    assert installed_entries("idaas_agent.absent") == []
