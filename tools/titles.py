"""Titles that people read in place of the technical names of a service, its tools and their arguments.

    [services.expenses]
    title = { en = "Expenses", zh = "报销" }

    [services.expenses.titles.submit_expense]
    title = { en = "Submit an expense", zh = "提交报销" }
    arguments.amount = { en = "Amount", zh = "金额" }

They come from the operator's file, or from this project's own code, and never from a model or from what a
server says of its tools. Rules, records and events keep the technical names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from identity.printable import printable_line

LONGEST: Final = 60
"""Characters of a title."""


def _line(text: str) -> str:
    if printable_line(text) != text or text != text.strip():
        raise ValueError("must be one line of visible characters, without spaces around it")
    return text


Title = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_line)]


class Words(BaseModel):
    """`{ en = "Amount", zh = "金额" }`. One of the two is enough: it stands for both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    en: Title | None = None
    zh: Title | None = None

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if self.en is None and self.zh is None:
            raise ValueError("must have en, zh or both")
        return self

    def both(self) -> dict[str, str]:
        """The text in each language."""
        only = self.en or self.zh or ""
        return {"en": self.en or only, "zh": self.zh or only}


class ToolTitles(BaseModel):
    """The titles of a tool and of its arguments, by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Words | None = None
    arguments: dict[str, Words] = Field(
        default_factory=dict, description="By the names of arguments of the tool, at the top level."
    )

    @model_validator(mode="after")
    def _arguments_differ(self) -> Self:
        if fault := alike(self.arguments):
            raise ValueError(f"must have another title for the argument {fault}")
        return self


@dataclass(frozen=True, slots=True)
class ServiceTitles:
    """The titles of a service and of its tools, by their names in calls."""

    title: Words | None = None
    tools: Mapping[str, ToolTitles] = field(default_factory=dict)


def alike(titles: Mapping[str, Words]) -> str | None:
    """Two names that a person could take for each other, as `"from", like "to"`: they have one title, or one
    has the other's name as its title. `None` if there are none.
    """
    seen: dict[tuple[str, str], str] = {}
    for name, words in titles.items():
        for language, title in words.both().items():
            other = seen.setdefault((language, title.casefold()), name)
            if other == name and title in titles and title != name:
                other = title
            if other != name:
                return f'"{name}", like "{other}"'
    return None


def misleading_arguments(titles: Mapping[str, ToolTitles], tool: str, known: Iterable[str]) -> list[str]:
    """The arguments of `tool` whose title is the name of another one, which has no title: a person could take
    them for each other.
    """
    arguments = titles[tool].arguments
    untitled = {name.casefold() for name in known if name not in arguments}
    shown = {
        name: {title.casefold() for title in words.both().values()} - {name.casefold()}
        for name, words in arguments.items()
    }
    return sorted(name for name, read in shown.items() if read & untitled)


def unknown_arguments(titles: Mapping[str, ToolTitles], tool: str, known: Iterable[str]) -> list[str]:
    """The arguments with a title that `tool` does not have: a misspelled name would keep its title unseen."""
    return sorted(titles[tool].arguments.keys() - set(known))
