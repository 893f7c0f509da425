"""The people who can sign in at the sandbox, with their passwords, as lines for a terminal."""

from collections.abc import Iterator, Mapping

from sandbox.configuration.configuration import Configuration
from sandbox.generated_secrets import GeneratedSecrets


def sign_ins(secrets: GeneratedSecrets, configuration: Configuration) -> Iterator[str]:
    """A line for each person. `configuration` has the passwords of those whom its file adds."""
    yield f"alice   password {secrets.alice_password}"
    yield f"bob     password {secrets.bob_password}   (may not read leave)"
    for user in configuration.users:
        groups = _groups(configuration.claims.get(user.name, {}))
        yield f"{user.name:<7} password {user.password}{groups}"


def _groups(claims: Mapping[str, object]) -> str:
    """The groups of a user, as a line ends."""
    groups = claims.get("groups")
    return f"   ({', '.join(map(str, groups))})" if isinstance(groups, list) else ""
