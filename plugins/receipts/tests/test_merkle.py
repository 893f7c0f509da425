"""The tree, against the test vectors of RFC 6962's implementations, whose tree RFC 9162 keeps."""

import pytest

from plugins.receipts.merkle import Tree, inclusion_proof, leaf_hash, root_by_proof

ENTRIES = [bytes.fromhex(entry) for entry in ("", "00", "10", "2021", "3031", "40414243")]
ENTRIES += [bytes.fromhex("5051525354555657"), bytes.fromhex("606162636465666768696a6b6c6d6e6f")]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


@pytest.mark.parametrize("size", range(1, 9))
def test_root_is_that_of_other_implementations_however_the_leaves_arrive(size: int) -> None:
    at_once = Tree().with_leaves(LEAVES[:size])
    one_by_one = Tree()
    for leaf in LEAVES[:size]:
        one_by_one = one_by_one.with_leaves([leaf])
    assert at_once == one_by_one
    assert at_once.root.hex() == ROOTS[size - 1]


def test_tree_of_nothing_is_the_hash_of_nothing() -> None:
    assert Tree().root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 34))
def test_each_leaf_is_proven_at_its_place_alone(size: int) -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    root = Tree().with_leaves(leaves).root
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(index, leaves)
        assert len(proof) <= (size - 1).bit_length()
        assert root_by_proof(leaf, index, size, proof) == root
        assert root_by_proof(leaf_hash(b"another"), index, size, proof) != root
        if size > 1:
            with pytest.raises(ValueError, match="does not fit"):
                root_by_proof(leaf, index, size, [])


@pytest.mark.parametrize(("index", "size"), [(-1, 8), (8, 8), (0, 0), (0, 1)])
def test_place_that_the_tree_does_not_have_is_refused(index: int, size: int) -> None:
    proof = inclusion_proof(0, LEAVES)
    with pytest.raises(ValueError, match="does not fit"):
        root_by_proof(LEAVES[0], index, size, proof)


def test_inner_node_is_no_leaf() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != Tree().with_leaves(LEAVES[:2]).root
