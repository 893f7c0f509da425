"""Vulnerabilities of pinned packages, by a small database in the OSV format."""

import json
import zipfile
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scripts.supply_chain.lock_files import Package
from scripts.supply_chain.osv import Database, is_affected
from scripts.supply_chain.version_order import version_key
from scripts.supply_chain.vulnerabilities import main, read_accepted
from tests.supply_chain.test_lock_files import HASH, tree

TODAY = date(2026, 11, 25)


def entry(
    identifier: str, ecosystem: str, name: str, *events: dict[str, str], **members: Any
) -> dict[str, Any]:
    kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
    affected = {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": kind, "events": list(events)}],
    }
    return {"id": identifier, "summary": f"about {name}", "affected": [affected], **members}


THING = entry("GHSA-1", "PyPI", "Some_Thing", {"introduced": "0"}, {"fixed": "1.3"}, aliases=["CVE-2026-1"])
PAGE = entry("GHSA-2", "npm", "page", {"introduced": "2.0.0-beta.1"}, {"last_affected": "2.1.0"})
OTHERS = [
    entry("GHSA-3", "Go", "thing", {"introduced": "0"}),
    entry("GHSA-4", "npm", "some-thing", {"introduced": "0"}),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Lock files that pin `some-thing` 1.2 for production, and `page` 2.1.0 for development."""
    lock = {"packages": {"node_modules/page": {"version": "2.1.0", "integrity": "sha512-AA==", "dev": True}}}
    thing = f"some-thing==1.2 --hash=sha256:{HASH}\n"
    (folder := tmp_path / "root").mkdir()
    return tree(folder, **{"requirements.lock": thing, "frontend/package-lock.json": json.dumps(lock)})


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text("")
    return path


def database(path: Path, *entries: Any) -> Path:
    """A list in a file, or an entry in a file of a ZIP archive, as the name of `path` says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number, each in enumerate(entries):
                archive.writestr(f"{number}.json", json.dumps(each))
    else:
        path.write_text(json.dumps(list(entries)))
    return path


@pytest.mark.parametrize("form", ["all.json", "all.zip", "folder"])
def test_vulnerable_packages_are_found_in_each_form_of_a_database(tmp_path, root, policy, capsys, form):
    path = tmp_path / form
    if form == "folder":
        (path / "PyPI").mkdir(parents=True)
        database(path / "PyPI" / "one.json", THING)
        database(path / "all.zip", PAGE, *OTHERS)
    else:
        database(path, THING, PAGE, *OTHERS)
    assert main([str(path)], root=root, policy=policy) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "PyPI:some-thing 1.2 (runtime): GHSA-1, CVE-2026-1: about Some_Thing; fixed in 1.3",
        "npm:page 2.1.0 (development): GHSA-2: about page",
    ]
    assert "2 packages against 4 entries: 2 vulnerabilities" in printed.err


def test_packages_without_vulnerabilities_pass(tmp_path, root, policy, capsys):
    fixed = entry("GHSA-1", "PyPI", "some-thing", {"introduced": "0"}, {"fixed": "1.2"})
    withdrawn = PAGE | {"withdrawn": "2026-01-01T00:00:00Z"}
    path = database(tmp_path / "all.json", fixed, withdrawn, *OTHERS)
    assert main([str(path)], root=root, policy=policy) == 0
    assert capsys.readouterr().out == ""


def accepted(identifier: str, until: str = "2026-11-25", package: str = "PyPI:some-thing") -> str:
    named = f'id = "{identifier}"\npackage = "{package}"\nreason = "is not called"'
    return f"[[vulnerabilities]]\n{named}\nuntil = {until}\n"


@pytest.mark.parametrize(
    ("decision", "status"),
    [
        (accepted("GHSA-1"), 0),
        (accepted("CVE-2026-1", "2027-01-01"), 0),
        (accepted("GHSA-1", "2026-11-24"), 1),
        (accepted("GHSA-9"), 1),
        (accepted("GHSA-1", package="PyPI:other"), 1),
    ],
)
def test_vulnerability_is_accepted_for_one_package_until_a_day(
    tmp_path, root, policy, capsys, decision, status
):
    policy.write_text(decision)
    path = database(tmp_path / "all.json", THING, *OTHERS)
    assert main([str(path)], root=root, policy=policy, today=lambda: TODAY) == status
    assert ("(accepted: is not called)" in capsys.readouterr().out) is (status == 0)


@pytest.mark.parametrize(
    "decision",
    ['[[vulnerabilities]]\nid = "x"', accepted("x", '"2027-01-01"'), accepted("x", "2027-01-01T00:00:00Z")],
)
def test_decision_without_reason_or_day_is_an_error(policy, decision):
    policy.write_text(decision)
    with pytest.raises(ValueError, match="needs id, package, reason and until"):
        read_accepted(policy)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read"),
        ("no JSON", "is not in the OSV format"),
        ('[{"summary": "no id"}]', "is not in the OSV format"),
        ('{"id": "x", "affected": [{"package": {"ecosystem": "npm"}}]}', "is not in the OSV format"),
        ("[]", "has no entry for PyPI"),
        (json.dumps([THING]), "has no entry for npm"),
    ],
)
def test_database_that_proves_nothing_differs_from_one_without_findings(
    tmp_path, root, policy, capsys, content, problem
):
    path = tmp_path / "all.json"
    if content is not None:
        path.write_text(content)
    assert main([str(path)], root=root, policy=policy) == 2
    assert problem in capsys.readouterr().err


def test_broken_archive_and_missing_name_are_errors(tmp_path, root, policy, capsys):
    path = tmp_path / "all.zip"
    path.write_bytes(b"PK no archive")
    assert main([str(path)], root=root, policy=policy) == 2
    assert main([], root=root, policy=policy) == 2
    assert "make vulnerabilities DATABASE=path" in capsys.readouterr().err


def test_text_of_the_database_cannot_control_the_terminal():
    both = Database()
    both.add(THING | {"summary": "\x1b[2J two\nlines \u202e" + "x" * 500})
    [found] = both.concerning(Package("PyPI", "some-thing", "1.2"))
    assert found.summary.isprintable()
    assert len(found.summary) == 120


@pytest.mark.parametrize(
    ("version", "events", "affected"),
    [
        ("1.0", [{"introduced": "0"}], True),
        ("1.0", [{"introduced": "0"}, {"fixed": "1.0"}], False),
        ("1.0rc1", [{"introduced": "0"}, {"fixed": "1.0"}], True),
        ("1.0", [{"introduced": "1.1"}], False),
        ("1.5", [{"introduced": "0"}, {"fixed": "1.1"}, {"introduced": "1.5"}, {"fixed": "1.6"}], True),
        ("1.2", [{"introduced": "0"}, {"fixed": "1.1"}, {"introduced": "1.5"}, {"fixed": "1.6"}], False),
        ("1.2", [{"introduced": "1.5"}, {"fixed": "1.6"}, {"introduced": "0"}, {"fixed": "1.1"}], False),
        ("2.0", [{"introduced": "0"}, {"last_affected": "2.0"}], True),
        ("2.0.post1", [{"introduced": "0"}, {"last_affected": "2.0"}], False),
        ("10.0", [{"introduced": "9.0"}, {"fixed": "11.0"}], True),
        ("3.0", [{"introduced": "0"}, {"limit": "3.0"}], False),
        ("3.0", [{"introduced": "0"}, {"limit": "*"}], True),
        ("1.0", [{"introduced": "0"}, {"fixed": "no-version!"}], True),
    ],
)
def test_range_contains_versions_as_the_osv_format_defines(version, events, affected):
    range_ = {"ranges": [{"type": "ECOSYSTEM", "events": events}]}
    assert is_affected("PyPI", version, range_) is affected


def test_listed_versions_are_affected_and_ranges_of_commits_are_left_out():
    listed = {"versions": ["1.0"], "ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}
    assert is_affected("PyPI", "1.0.0", listed)
    assert not is_affected("PyPI", "1.1", listed)


def test_versions_of_npm_are_in_the_order_of_semantic_versioning():
    texts = [
        "0.9.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.10.0",
        "2.0.0",
    ]
    assert all(version_key("npm", one) < version_key("npm", next_) for one, next_ in pairwise(texts))
    assert version_key("npm", "1.0.0+build.5") == version_key("npm", "v1.0.0")
    for text in ("latest", "1.x", "١.0.0", ""):
        with pytest.raises(ValueError, match="semantic"):
            version_key("npm", text)
