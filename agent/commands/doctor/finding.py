"""The result of one step of `doctor`, and its output as JSON and as lines. `causes.toml` has the texts."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from agent.errors.error_table import for_operators
from identity.errors import AgentError, ConfigurationError


@dataclass(frozen=True, slots=True)
class Explanation:
    """A cause, narrower than the row of the error table. `reason` is stable, like the codes of the table."""

    reason: str
    cause: str
    remedy: str

    @classmethod
    def found(cls, reason: str, **names: object) -> Self:
        """The texts of `reason` in `causes.toml`, with `names`."""
        return cls._of({"reason": reason, **_texts()["found"][reason]}, names)

    @classmethod
    def by_rule(cls, error: AgentError, **names: object) -> Self | None:
        """The first rule that applies to `error`; `None` if only the row of the error table does."""
        for rule in _texts()["rules"]:
            if error.code in rule["codes"] and re.search(rule["detail"], error.detail):
                return cls._of(rule, names)
        return None

    @classmethod
    def _of(cls, texts: dict[str, str], names: dict[str, object]) -> Self:
        return cls(texts["reason"], texts["cause"].format_map(names), texts["remedy"].format_map(names))


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("causes.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One step. `detail` is the result, or the reason why the step was skipped.

    A failed step has `error` and `why`; for a skipped one, `remedy` names what to set so that it is executed.
    """

    step: str
    outcome: Literal["ok", "failed", "skipped"]
    detail: str
    error: AgentError | None = None
    why: Explanation | None = None
    remedy: str = ""

    def members(self) -> dict[str, Any]:
        """For programs: a JSON object."""
        members: dict[str, Any] = {"step": self.step, "outcome": self.outcome, "detail": self.detail}
        if self.error is not None and self.why is not None:
            members |= {
                "code": self.error.code,
                "reason": self.why.reason,
                "symptom": self.error.code.row.symptom,
                "cause": self.why.cause,
                "remedy": self.why.remedy,
            }
        elif self.remedy:
            members["remedy"] = self.remedy
        return members

    def lines(self) -> list[str]:
        """For people: the lines below the line of the step."""
        if self.error is None or self.why is None:
            return [f"to check it: {self.remedy}"] if self.remedy else []
        symptom = f"symptom: {self.error.code.row.symptom} ({self.error.code})"
        faults = self.error.faults if isinstance(self.error, ConfigurationError) else ()
        details = [f"fault:   {fault}" for fault in faults] if len(faults) > 1 else []
        return [*details, symptom, f"cause:   {self.why.cause}", f"remedy:  {self.why.remedy}"]


def failed(step: str, error: AgentError, why: Explanation | None = None) -> Finding:
    """A step that failed; without `why`, the error table has the cause and the remedy."""
    row = for_operators(error).row
    return Finding(step, "failed", error.detail, error, why or Explanation(error.code, row.cause, row.remedy))


def skipped(step: str, detail: str, remedy: str = "") -> Finding:
    """A step that was not executed, and what to set so that it is."""
    return Finding(step, "skipped", detail, remedy=remedy)
