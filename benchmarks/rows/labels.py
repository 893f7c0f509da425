"""Whether the user has written the values of a call: read once, then at the cost of a call."""

from collections.abc import Iterable
from functools import partial
from typing import Final

from langchain_core.messages import HumanMessage

from benchmarks.bench import Bench
from benchmarks.micro import RowCases, Timed, micro, timed
from benchmarks.report import Figure, at_most
from graph.labels.call_form import has_written
from graph.labels.user_words import MAX_VALUE, UserWords, WordsOfUsers

_QUESTION: Final = "Please apply for leave from the second to the fourth of May, and tell finance. "
_LONG: Final = _QUESTION * 11_400
"""900 kB."""
_ARGUMENTS: Final = {f"argument_{number}": _QUESTION[:MAX_VALUE] for number in range(32)}
"""The most values that are looked at, as long as values may be."""
_HARD: Final = {f"argument_{number}": ("a " * MAX_VALUE)[: MAX_VALUE - 1] + "b" for number in range(32)}
"""Values whose first word stands at each second character of the text, and which are nowhere in it."""
_PARAMETERS: Final = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in _ARGUMENTS},
    "required": [*_ARGUMENTS],
}


def _read() -> Timed:
    messages = [HumanMessage(_LONG)]

    def read() -> None:
        WordsOfUsers().of(messages)

    return timed(read)


def _looked_up(arguments: dict[str, str], text: str) -> Timed:
    return timed(partial(has_written, arguments, _PARAMETERS, UserWords.of(text)))


CASES: RowCases = {
    "labels": {
        "read": _read,
        "written": partial(_looked_up, _ARGUMENTS, _LONG),
        "worst": partial(_looked_up, _HARD, "a " * 450_000),
    }
}


def labels(bench: Bench) -> Iterable[Figure]:
    """What a call costs after confidential or untrusted data was read; without such data it costs nothing."""
    times = micro("labels", bench.plan)
    yield Figure("a question of 900 kB is read, once a run", "µs", times["read"], target=at_most(50_000.0))
    yield Figure(
        "a call with 32 values of the user is found", "µs", times["written"], target=at_most(5_000.0)
    )
    yield Figure("the worst call is not found", "µs", times["worst"], target=at_most(50_000.0))
