"""Threads with their owner, a verified caller. Another user's thread cannot be named."""

from dataclasses import InitVar, dataclass
from typing import Final

from agent.conversations.thread import owner_digest
from identity.access_token.verified_access_token import VerifiedAccessToken

_OF_CALLER: Final = object()


@dataclass(frozen=True, slots=True)
class ThreadOwner:
    """The owner of threads. Exists only for a verified caller, or for the owner that a stored row names.

    Calling the class (or `dataclasses.replace`) raises `TypeError`: only `ThreadOwner.of` creates one, and
    `stored_owner`, whose calls are easy to find. `digest` is the name under which the threads are stored
    (`owner_digest`).
    """

    digest: str
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _OF_CALLER:
            raise TypeError("a verified caller is needed for the owner of threads")

    @classmethod
    def of(cls, caller: VerifiedAccessToken) -> "ThreadOwner":
        """The caller, as the owner of their threads."""
        return cls(owner_digest(caller.principal), _OF_CALLER)

    def thread(self, thread_id: str) -> "OwnedThread":
        """The owner's thread with this identifier. Whether there is one is not checked."""
        return OwnedThread(self, thread_id)


@dataclass(frozen=True, slots=True)
class OwnedThread:
    """A thread of its owner, whether it exists or not.

    A function that takes it cannot be given the thread of somebody other than a verified caller. The
    identifier is not validated: one that no thread may have names a thread that does not exist.
    """

    owner: ThreadOwner
    id: str

    @classmethod
    def of(cls, caller: VerifiedAccessToken, thread_id: str) -> "OwnedThread":
        """The caller's thread with this identifier."""
        return cls(ThreadOwner.of(caller), thread_id)

    @property
    def place(self) -> tuple[str, str]:
        """The columns `owner` and `id` of its row."""
        return self.owner.digest, self.id


@dataclass(frozen=True, slots=True)
class RunKey:
    """Identifies a run: its thread, and its own id."""

    thread: OwnedThread
    run_id: str

    @property
    def owner(self) -> str:
        """The digest of its owner."""
        return self.thread.owner.digest

    @property
    def thread_id(self) -> str:
        """The identifier of its thread."""
        return self.thread.id

    @property
    def place(self) -> tuple[str, str, str]:
        """The columns by which its rows are found, and to which its sealed values are bound."""
        return self.thread.owner.digest, self.thread.id, self.run_id


def stored_owner(digest: str) -> ThreadOwner:
    """The owner that a row of the database names. Nobody was verified: for the stores, and for tests.

    A test checks that no other code of the project calls it.
    """
    return ThreadOwner(digest, _OF_CALLER)


NOT_KEPT: Final = RunKey(stored_owner("").thread(""), "")
"""The key of a run that is not kept: its thread is nobody's."""
