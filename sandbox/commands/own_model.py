"""A model of one's own in place of the sandbox's, for `idaas-agent up`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

_PREFIX = "LLM_"
_FILE, _IDENTIFIER = "LLM_API_KEY_FILE", "LLM_API_KEY_IDENTIFIER"
_BY_NAME = "langchain:"


@dataclass(frozen=True, slots=True)
class OwnModel:
    """The variables `LLM_*` of an agent beside the sandbox. `replaced` are those of the sandbox that it does
    not use.
    """

    variables: Mapping[str, str]
    replaced: tuple[str, ...]

    @property
    def note(self) -> str | None:
        """What a person is told; `None`: the model is the sandbox's."""
        own = [name for name, value in self.variables.items() if value]
        if not own:
            return None
        unused = f"; not used of the sandbox: {', '.join(self.replaced)}" if self.replaced else ""
        return f"note: the model is yours, by {', '.join(own)}{unused}"


def own_model(given: Mapping[str, str], emptied: Collection[str], of_sandbox: Mapping[str, str]) -> OwnModel:
    """The variables of `given`, which are those of the environment and of a file: each takes the place of the
    sandbox's, and an empty one leaves it out. One that is `emptied` in the environment leaves out that of the
    file, too.

    A file with a key replaces the identifier of the sandbox's key, and a provider that LangChain knows by
    name the sandbox's address.
    """
    own = {name: value for name, value in given.items() if name.startswith(_PREFIX)}
    own |= {name: "" for name in emptied if name.startswith(_PREFIX)}
    if own.get(_FILE):
        own.setdefault(_IDENTIFIER, "")
    if own.get("LLM_PROVIDER", "").startswith(_BY_NAME):
        own.setdefault("LLM_BASE_URL", "")
    return OwnModel(own, tuple(name for name in own if name in of_sandbox))
