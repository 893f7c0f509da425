"""A server that speaks a part of the HTTP API of HashiCorp Vault, for tests: AppRole, JWT, KV version 2, and
leases. `python vault_server.py` runs it at 127.0.0.1:8200, with the secrets of `services.toml`.
"""

import itertools
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROLE_ID = "role-of-agent"
SECRET_ID = "secret-id-of-agent"  # noqa: S105 - of a server for tests


class VaultServer:
    """Serves in a thread, between `with` and its end. Tests read and set its members."""

    def __init__(self, port: int = 0, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.kv = {"ledger": {"key": "KEY-OF-LEDGER"}}
        """By the paths below `kv/data/`."""
        self.denied: set[str] = set()
        """Paths that no token may read."""
        self.token_seconds = 1200
        self.lease_seconds = 600
        """Of the credentials of `database/creds/NAME`, which are made anew for each request."""
        self.is_sealed = False
        self.requests: list[str] = []
        """Method and path of each."""
        self.refusals = 0
        """Of tokens that have ended, and of denied paths."""
        self.users: dict[str, str] = {}
        """By the tokens of users that the role `agent` accepts: who they are."""
        self.tokens: dict[str, tuple[str, float]] = {}
        """Whom each token is of, and when it ends."""
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        vault = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._respond({})

            def do_POST(self) -> None:
                self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _respond(self, body: dict) -> None:
                with vault._lock:
                    token = self.headers.get("X-Vault-Token", "")
                    status, members = vault._answer(self.command, self.path, token, body)
                data = json.dumps(members).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "VaultServer":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, method: str, path: str, token: str, body: dict) -> tuple[int, dict]:
        self.requests.append(f"{method} {path}")
        if path == "/v1/sys/health":
            return (503 if self.is_sealed else 200), {"initialized": True, "sealed": self.is_sealed}
        if self.is_sealed:
            return 503, {"errors": ["Vault is sealed"]}
        match method, path.removeprefix("/v1/").split("/"):
            case "POST", ["auth", "approle", "login"]:
                if (body.get("role_id"), body.get("secret_id")) != (ROLE_ID, SECRET_ID):
                    return 400, {"errors": ["invalid role or secret ID"]}
                return self._logged_in("agent")
            case "POST", ["auth", "jwt", "login"]:
                user = self.users.get(body.get("jwt", ""))
                if body.get("role") != "agent" or user is None:
                    return 400, {"errors": ["error validating token"]}
                return self._logged_in(user)
            case "GET", segments:
                owner, ends_at = self.tokens.get(token, ("", 0.0))
                if self.clock() >= ends_at or path in self.denied:
                    self.refusals += 1
                    return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
                return self._secret(segments, owner)
        return 405, {"errors": []}

    def _logged_in(self, owner: str) -> tuple[int, dict]:
        token = f"hvs.{owner}-{next(self._numbers)}"
        self.tokens[token] = owner, self.clock() + self.token_seconds
        auth = {"client_token": token, "policies": ["default"], "lease_duration": self.token_seconds}
        return 200, _response(auth=auth | {"renewable": True, "token_type": "service"})

    def _secret(self, segments: list[str], owner: str) -> tuple[int, dict]:
        match segments:
            case ["kv", "data", name] if name in self.kv:
                metadata = {"version": 1, "destroyed": False, "deletion_time": ""}
                return 200, _response(data={"data": self.kv[name], "metadata": metadata})
            case ["database", "creds", role]:
                password = f"PASSWORD-{owner}-{role}-{next(self._numbers)}"
                lease = {"lease_id": f"database/creds/{role}/1", "lease_duration": self.lease_seconds}
                return 200, _response(data={"username": owner, "password": password}, **lease)
        return 404, {"errors": []}


def _response(**members: object) -> dict:
    common = {"request_id": "1", "lease_id": "", "renewable": False, "lease_duration": 0}
    return common | {"data": None, "wrap_info": None, "warnings": None, "auth": None} | members


if __name__ == "__main__":
    with VaultServer(8200) as server:
        print(f"a vault for tests at {server.address}; ends with Ctrl-C")  # noqa: T201 - a program
        threading.Event().wait()
