"""What names a request goes with its work into another task, and nothing else does."""

from contextvars import Context, ContextVar

from identity.observation import request_context
from identity.observation.request_context import REQUEST_ID, USER, user_hash, user_label
from identity.principal import Principal

OTHER: ContextVar[str] = ContextVar("tests.other", default="unset")
ALICE = Principal("https://idaas.example", "alice")


def test_new_context_has_the_request_and_its_user_alone() -> None:
    def request() -> Context:
        REQUEST_ID.set("1f2e")
        USER.set("3c4d")
        OTHER.set("set")
        return request_context.carried_context()

    carried = Context().run(request)
    assert [carried.run(variable.get) for variable in (REQUEST_ID, USER, OTHER)] == ["1f2e", "3c4d", "unset"]


def test_user_hash_is_the_same_in_every_process_and_differs_by_issuer_and_subject() -> None:
    assert user_hash(ALICE) == "c1832ceb74a874c6"  # printf '…\\0alice' | sha256sum
    others = {
        user_hash(ALICE),
        user_hash(Principal("https://idaas.example", "bob")),
        user_hash(Principal("https://other.example", "alice")),
        user_hash(Principal("https://idaas.exampl", "ealice")),
    }
    assert len(others) == 4


def test_user_is_named_as_the_setting_requires() -> None:
    assert [user_label(label)(ALICE) for label in ("hash", "id", "none")] == [user_hash(ALICE), "alice", None]
