"""`make licences`: the licence of each package, and whether the project accepts it.

A package's licence is that of policy.toml, of the installed package's metadata, or of npm's lock file.
Exit status: 0 if all are accepted, 1 if one is unknown or not accepted, 2 if that cannot be determined.
"""

import importlib.metadata
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, Final, Self, cast

from license_expression import AND, OR, ExpressionError, Licensing
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from scripts.supply_chain.lock_files import LockFileError, Package, packages

POLICY: Final = Path(__file__).with_name("policy.toml")
UNKNOWN: Final = "unknown"

_COMMON_NAMES: Final = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
"""Names that packages use in place of SPDX's, each of one licence only: `BSD License` could be several."""

Metadata = Callable[[Package], Message | None]
"""The metadata of an installed package; `None` if it is not installed."""


class WrongVersionError(Exception):
    """Another version is installed than the lock file pins."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The project's decisions. Packages are named `PyPI:name` or `npm:name`."""

    everywhere: frozenset[str]
    development: frozenset[str]
    accepted: Mapping[str, Mapping[str, str]]
    """By package, its licence and the reason."""
    licences: Mapping[str, str]

    @classmethod
    def read(cls, path: Path = POLICY) -> Self:
        """Of policy.toml. Raises `OSError`, `KeyError` or `ValueError`."""
        tables = tomllib.loads(path.read_text("utf-8"))
        accepted: dict[str, Any] = tables["accepted"]
        licences = {name: canonicalize_license_expression(text) for name, text in tables["licences"].items()}
        return cls(
            frozenset(accepted["everywhere"]),
            frozenset(accepted["development"]),
            accepted["packages"],
            licences,
        )

    def accepts(self, package: Package, licence: str) -> bool:
        """Whether `package` may be used under `licence`, an SPDX expression or `UNKNOWN`."""
        if licence == UNKNOWN:
            return False
        if self.accepted.get(name_of(package), {}).get("licence") == licence:
            return True
        known = self.everywhere if package.runtime else self.everywhere | self.development
        return _holds(Licensing().parse(licence), known)


def name_of(package: Package) -> str:
    """Its name in policy.toml."""
    return f"{package.ecosystem}:{package.name}"


def installed(package: Package) -> Message | None:
    """Raises `WrongVersionError` if another version is installed."""
    if package.ecosystem != "PyPI":
        return None
    try:
        found = importlib.metadata.distribution(package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if found.version != package.version:
        fault = f"{package.name} {found.version} is installed, {package.version} is pinned"
        raise WrongVersionError(fault)
    return cast(Message, found.metadata)


def licence_of(package: Package, policy: Policy, metadata: Metadata = installed) -> str:
    """Its licence as an SPDX expression, or `UNKNOWN`."""
    if (decided := policy.licences.get(name_of(package))) is not None:
        return decided
    if package.declared_licence is not None:
        return _expression(package.declared_licence)
    found = metadata(package)
    if found is None:
        return UNKNOWN
    classified = [
        text.rpartition(" :: ")[2]
        for text in found.get_all("Classifier") or ()
        if text.startswith("License :: OSI Approved :: ")
    ]
    texts = [
        found.get("License-Expression"),
        found.get("License"),
        *(classified if len(classified) == 1 else ()),
    ]
    expressions = (_expression(text) for text in texts if text)
    return next((each for each in expressions if each != UNKNOWN), UNKNOWN)


def main() -> int:
    """Prints a line for each package, and then what is not accepted."""
    try:
        policy, pinned = Policy.read(), packages()
        licences = {package: licence_of(package, policy) for package in pinned}
    except (LockFileError, WrongVersionError, OSError, KeyError, ValueError) as error:
        sys.stderr.write(f"the licences cannot be determined: {error}\n")
        return 2
    refused = [package for package in pinned if not policy.accepts(package, licences[package])]
    sys.stdout.write("".join(f"{line}\n" for line in _table(licences, policy)))
    for package in refused:
        where = "runtime" if package.runtime else "development"
        fault = f"{name_of(package)} {package.version} ({where}): {licences[package]}"
        sys.stderr.write(f"not accepted: {fault}\n")
    sys.stderr.write(f"{len(pinned)} packages, {len(refused)} not accepted\n")
    return 1 if refused else 0


def _table(licences: Mapping[Package, str], policy: Policy) -> Sequence[str]:
    lines = []
    for package, licence in licences.items():
        use = "runtime" if package.runtime else "development"
        name = f"{name_of(package)} {package.version}"
        reason = policy.accepted.get(name_of(package), {}).get("reason")
        lines.append(f"{name:<60} {use:<12} {licence}" + (f" ({reason})" if reason else ""))
    return lines


def _expression(text: str) -> str:
    """The SPDX expression that `text` is, or names."""
    text = text.strip()
    text = _COMMON_NAMES.get(text.lower(), text)
    try:
        expression = canonicalize_license_expression(text)
        Licensing().parse(expression)
    except (InvalidLicenseExpression, ExpressionError):
        return UNKNOWN
    return expression


def _holds(expression: Any, accepted: frozenset[str]) -> bool:  # noqa: ANN401 - untyped in its library
    if isinstance(expression, OR):
        return any(_holds(part, accepted) for part in expression.args)
    if isinstance(expression, AND):
        return all(_holds(part, accepted) for part in expression.args)
    return str(expression) in accepted


if __name__ == "__main__":
    sys.exit(main())
