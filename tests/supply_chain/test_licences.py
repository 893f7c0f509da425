"""Which licence a package has, and whether the project accepts it."""

from email.message import Message

import pytest

from scripts.supply_chain.licences import UNKNOWN, Policy, WrongVersionError, installed, licence_of, main
from scripts.supply_chain.lock_files import Package, packages

POLICY = Policy(
    frozenset({"MIT", "Apache-2.0"}),
    frozenset({"MPL-2.0"}),
    {"PyPI:odd": {"licence": "LicenseRef-Odd", "reason": "for a test"}},
    {"PyPI:decided": "MIT"},
)


def package(name: str = "thing", *, runtime: bool = True, declared: str | None = None) -> Package:
    return Package("npm" if declared else "PyPI", name, "1.0", runtime, (), (), declared)


def metadata(**headers: str | list[str]) -> Message:
    message = Message()
    for name, values in headers.items():
        for value in [values] if isinstance(values, str) else values:
            message[name.replace("_", "-")] = value
    return message


OSI = "License :: OSI Approved :: "


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        ({"License_Expression": "mit or apache-2.0"}, "MIT OR Apache-2.0"),
        ({"License_Expression": "MIT", "License": "GPL-3.0-only"}, "MIT"),
        ({"License": "Apache License 2.0"}, "Apache-2.0"),
        ({"License": "BSD-3-Clause"}, "BSD-3-Clause"),
        ({"Classifier": [OSI + "MIT License"]}, "MIT"),
        ({"License": "see LICENSE", "Classifier": [OSI + "ISC License (ISCL)"]}, "ISC"),
        ({"Classifier": [OSI + "MIT License", OSI + "GNU General Public License v3 (GPLv3)"]}, UNKNOWN),
        ({"Classifier": [OSI + "BSD License"]}, UNKNOWN),
        ({"License": "UNKNOWN"}, UNKNOWN),
        ({"License": "MIT License\n\nCopyright (c) …"}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)
def test_licence_of_a_python_package_is_that_of_its_metadata_if_it_is_clear(headers, licence):
    assert licence_of(package(), POLICY, lambda _: metadata(**headers)) == licence


def test_licence_of_the_policy_comes_first_and_a_missing_package_has_none():
    assert licence_of(package("decided"), POLICY, lambda _: metadata(License="GPL-3.0-only")) == "MIT"
    assert licence_of(package(), POLICY, lambda _: None) == UNKNOWN


@pytest.mark.parametrize(
    ("declared", "licence"),
    [
        ("(MPL-2.0 OR Apache-2.0)", "(MPL-2.0 OR Apache-2.0)"),
        ("SEE LICENSE IN x", UNKNOWN),
        ("UNLICENSED", UNKNOWN),
    ],
)
def test_licence_of_an_npm_package_is_that_of_its_lock_file(declared, licence):
    assert licence_of(package(declared=declared), POLICY) == licence


@pytest.mark.parametrize(
    ("licence", "runtime", "development"),
    [
        ("MIT", True, True),
        ("GPL-3.0-only", False, False),
        ("MPL-2.0", False, True),
        ("GPL-3.0-only OR MIT", True, True),
        ("GPL-3.0-only AND MIT", False, False),
        ("MIT AND (MPL-2.0 OR Apache-2.0)", True, True),
        ("MIT AND MPL-2.0", False, True),
        ("Apache-2.0 WITH LLVM-exception", False, False),
        (UNKNOWN, False, False),
    ],
)
def test_one_alternative_or_all_parts_of_a_combination_must_be_accepted(licence, runtime, development):
    assert POLICY.accepts(package(), licence) is runtime
    assert POLICY.accepts(package(runtime=False), licence) is development


def test_package_is_accepted_by_name_only_under_the_licence_that_was_decided_about():
    assert POLICY.accepts(package("odd"), "LicenseRef-Odd")
    assert not POLICY.accepts(package("odd"), "AGPL-3.0-only")
    assert not POLICY.accepts(package("odd"), UNKNOWN)
    assert not POLICY.accepts(package("other"), "LicenseRef-Odd")


def test_another_installed_version_is_an_error():
    with pytest.raises(WrongVersionError, match=r"is installed, 0\.1 is pinned"):
        installed(Package("PyPI", "pytest", "0.1"))


def test_all_licences_of_the_lock_files_are_known_and_accepted(capsys):
    assert main() == 0, capsys.readouterr().err


def test_policy_decides_about_pinned_packages_only():
    policy = Policy.read()
    names = {f"{each.ecosystem}:{each.name}" for each in packages()}
    assert {*policy.accepted, *policy.licences} - names == set()
    assert all(decision["reason"] for decision in policy.accepted.values())
