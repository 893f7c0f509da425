"""Pieces grow with the response, so that readers that add them up work in proportion to it."""

import pytest

from graph.models.piece import JoinedPieces, Piece


@pytest.mark.promise("bounded")
def test_reader_that_adds_each_piece_to_what_it_has_works_in_proportion() -> None:
    """Otherwise it would copy 25 gigabytes for a million characters in pieces of 20."""
    pieces, total, shown, copied, largest = JoinedPieces(16), 1_000_000, 0, 0, 0
    for _ in range(total // 20):
        if piece := pieces.add("a" * 10, "b" * 10):
            size = len(piece.text) + len(piece.thinking)
            assert shown > 16_384 or size == 20, "the beginning is passed on as it arrives"
            shown, largest = shown + size, max(largest, size)
            copied += shown
    assert copied < 25 * total
    assert largest < total // 15
    rest = pieces.rest()
    assert shown + (len(rest.text) + len(rest.thinking) if rest else 0) == total


def test_nothing_is_passed_on_for_nothing() -> None:
    pieces = JoinedPieces(16)
    assert pieces.add("", "") is None
    assert pieces.add("a", "b") == Piece("a", "b")
    assert pieces.rest() is None
