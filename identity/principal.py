"""Who is calling."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """The pair that OpenID Connect guarantees to be unique (OpenID Connect Core, section 2). No secret."""

    issuer: str
    subject: str
