"""Records of features beside a value of the core."""

from dataclasses import dataclass

from graph.extensions import Extensions


@dataclass(frozen=True)
class Note:
    text: str


class Longer(Note):
    pass


def test_record_is_found_by_its_very_type() -> None:
    extensions = Extensions(Note("a"), 1)
    assert extensions.get(Note) == Note("a")
    assert extensions.get(Longer) is None
    assert extensions.get(str) is None
    assert Extensions(Longer("a")).get(Note) is None


def test_record_replaces_the_one_of_its_type_in_a_copy() -> None:
    earlier = Extensions(Note("a"), 1)
    later = earlier.having(Note("b"))
    assert (later.get(Note), later.get(int)) == (Note("b"), 1)
    assert earlier.get(Note) == Note("a")


def test_equal_records_make_equal_extensions() -> None:
    assert Extensions(Note("a"), 1) == Extensions(1, Note("a"))
    assert hash(Extensions(Note("a"))) == hash(Extensions(Note("a")))
    assert Extensions(Note("a")) != Extensions(Note("b"))
    assert Extensions(Note("a")) != Extensions()
