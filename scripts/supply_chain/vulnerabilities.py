"""`make vulnerabilities DATABASE=…`: known vulnerabilities of what the lock files pin, without a network.

Exit status: 0 if none is known but accepted ones, 1 if there are, 2 if that cannot be determined: without a
database, with one that is unreadable or has no entry for PyPI or npm, or without a lock file.
"""

import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from scripts.supply_chain.licences import POLICY, name_of
from scripts.supply_chain.lock_files import ROOT, LockFileError, packages
from scripts.supply_chain.osv import Database, DatabaseError, Vulnerability


@dataclass(frozen=True, slots=True)
class Accepted:
    """A vulnerability that is accepted for one package until the end of a day, with the reason."""

    id: str
    package: str
    reason: str
    until: date

    def covers(self, vulnerability: Vulnerability, today: date) -> bool:
        """Whether it is this one, by its id or an alias, and the day has not passed."""
        named = self.id in (vulnerability.id, *vulnerability.aliases)
        return named and self.package == name_of(vulnerability.package) and today <= self.until


def read_accepted(policy: Path = POLICY) -> list[Accepted]:
    """Those of policy.toml. Raises `OSError` or `ValueError`."""
    tables: Sequence[Mapping[str, object]] = tomllib.loads(policy.read_text("utf-8")).get(
        "vulnerabilities", []
    )
    accepted = []
    for table in tables:
        until = table.get("until")
        if type(until) is not date or not all(table.get(name) for name in ("id", "package", "reason")):
            raise ValueError("policy.toml: a vulnerability needs id, package, reason and until (a date)")
        accepted.append(Accepted(str(table["id"]), str(table["package"]), str(table["reason"]), until))
    return accepted


def main(
    arguments: Sequence[str],
    *,
    root: Path = ROOT,
    policy: Path = POLICY,
    today: Callable[[], date] = lambda: datetime.now(UTC).date(),
) -> int:
    """Prints each vulnerability. `arguments` are the paths of the database."""
    if not arguments or not all(arguments):
        sys.stderr.write("name the database: make vulnerabilities DATABASE=path\n")
        return 2
    try:
        accepted = read_accepted(policy)
        pinned = packages(root)
        database = Database.read([Path(argument) for argument in arguments])
    except (DatabaseError, LockFileError, OSError, ValueError) as error:
        sys.stderr.write(f"the vulnerabilities cannot be determined: {error}\n")
        return 2
    found = 0
    for vulnerability in (each for package in pinned for each in database.concerning(package)):
        reason = next((each.reason for each in accepted if each.covers(vulnerability, today())), None)
        found += reason is None
        sys.stdout.write(f"{_line(vulnerability, reason)}\n")
    sys.stderr.write(
        f"{len(pinned)} packages against {database.entries:,} entries: {found} vulnerabilities\n"
    )
    return 1 if found else 0


def _line(vulnerability: Vulnerability, reason: str | None) -> str:
    package = vulnerability.package
    use = "runtime" if package.runtime else "development"
    names = ", ".join((vulnerability.id, *vulnerability.aliases))
    fixed = f"; fixed in {', '.join(vulnerability.fixed)}" if vulnerability.fixed else ""
    accepted = f" (accepted: {reason})" if reason is not None else ""
    return f"{name_of(package)} {package.version} ({use}): {names}: {vulnerability.summary}{fixed}{accepted}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
