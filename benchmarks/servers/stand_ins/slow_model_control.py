"""Controls the slow model (`servers.stand_ins.slow_model`)."""

from typing import Final

import httpx

from benchmarks.servers.processes.process import ServerProcess


class SlowModel:
    """`tls_url` is the base URL of its API."""

    def __init__(self, server: ServerProcess, tls_port: int) -> None:
        self.tls_url: Final = f"https://localhost:{tls_port}/v1"
        self._http = httpx.Client(base_url=server.url, trust_env=False)

    def waiting(self) -> int:
        """How many streams wait for their first token."""
        return int(self._http.get("/waiting").raise_for_status().text)

    def delay(self, *, first_token: float) -> None:
        """From now on, requests wait for so many seconds."""
        self._http.put("/delays", json={"first_token": first_token}).raise_for_status()

    def release(self, *, seconds: float) -> None:
        """The streams that wait begin within so many seconds, one after another; all at once, if it is 0."""
        self._http.put("/release", json={"seconds": seconds}).raise_for_status()

    def close(self) -> None:
        """Closes the connection to it."""
        self._http.close()
