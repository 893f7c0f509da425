"""The files in which a workload finds its tokens, as a kubelet keeps them: replaced before they expire."""

from collections.abc import Callable
from pathlib import Path

from sandbox.federation.federation import Federation
from sandbox.federation.id_token import IDAAS_AUDIENCE, STS_AUDIENCE
from sandbox.generated_secrets import write_private
from sandbox.state.settings import Settings

IDAAS_FILE = "workload-token"
STS_FILE = "workload-token-sts"
_AUDIENCES = {IDAAS_FILE: IDAAS_AUDIENCE, STS_FILE: STS_AUDIENCE}


class WorkloadTokenFiles:
    """One file for each audience, mode 600, without a newline."""

    def __init__(
        self, folder: Path, federation: Federation, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._folder = folder
        self._federation = federation
        self._settings = settings
        self._clock = clock
        self.write()

    def write(self, *, lifetime: int | None = None, **claims: object) -> None:
        """New tokens; `claims` override members, and `lifetime` (seconds) the settings."""
        for name, audience in _AUDIENCES.items():
            write_private(
                self._folder / name, self._federation.id_token(audience, lifetime=lifetime, **claims)
            )
        self._written_at = self._clock()
        self._lifetime = None if claims else lifetime or self._settings.workload_token_lifetime

    def reset(self) -> None:
        """New tokens, unless those of the last minute are as at the start."""
        is_new = 0 <= self._clock() - self._written_at < 60
        if not is_new or self._lifetime != self._settings.workload_token_lifetime:
            self.write()

    def renew(self) -> None:
        """New tokens if four fifths of the lifetime have passed, or the clock was set back."""
        age = self._clock() - self._written_at
        if not 0 <= age < 0.8 * self._settings.workload_token_lifetime:
            self.write()
