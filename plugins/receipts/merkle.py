"""The Merkle tree of RFC 9162, section 2.1, over SHA-256: its root, and proofs that it contains a leaf."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf: of what is recorded. No hash of an inner node is one of a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Tree:
    """The tree of `size` leaves, by the roots of its complete parts: one for each bit of `size` that is set,
    the largest first. All that adding a leaf, and the root, need.
    """

    size: int = 0
    parts: tuple[bytes, ...] = ()

    def with_leaves(self, leaves: Iterable[bytes]) -> Self:
        """The tree with further leaves, by their hashes."""
        parts = [*self.parts]
        size = self.size
        for leaf in leaves:
            node = leaf
            complete = size
            while complete & 1:
                node = _node(parts.pop(), node)
                complete >>= 1
            parts.append(node)
            size += 1
        return type(self)(size, tuple(parts))

    @property
    def root(self) -> bytes:
        """The root. That of no leaves is the hash of nothing."""
        if not self.parts:
            return hashlib.sha256().digest()
        *others, node = self.parts
        for part in reversed(others):
            node = _node(part, node)
        return node


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The siblings on the way from the leaf at `index`, from 0, to the root of `leaves`, by their hashes."""
    if len(leaves) == 1:
        return []
    left = _left_of(len(leaves))
    if index < left:
        return [*inclusion_proof(index, leaves[:left]), Tree().with_leaves(leaves[left:]).root]
    return [*inclusion_proof(index - left, leaves[left:]), Tree().with_leaves(leaves[:left]).root]


def root_by_proof(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root of a tree of `size` leaves that has `leaf` at `index`. Raises `ValueError` for a proof of
    another length, and an index that the tree does not have.
    """
    if not 0 <= index < size or (size == 1) != (not proof):
        raise ValueError("the proof does not fit the size of the tree")
    if size == 1:
        return leaf
    *before, sibling = proof
    left = _left_of(size)
    if index < left:
        return _node(root_by_proof(leaf, index, left, before), sibling)
    return _node(sibling, root_by_proof(leaf, index - left, size - left, before))


def _left_of(size: int) -> int:
    """The leaves of the left part: the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
