"""The enterprise service: a web function behind an HTTP trigger with JWT authentication.

The trigger verifies signature and expiry, and neither audience nor permission: any token of the same IDaaS
instance passes it. So this function verifies the token again, all of it, with the same keys. It answers only
if the token is for it and has its permission.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CODE = Path(__file__).resolve().parent
sys.path.insert(0, str(CODE / "python"))

import jwt  # noqa: E402 - from the package's folder

REQUIRED_CLAIMS = ["iss", "sub", "aud", "exp", "scope"]


class RefusedError(Exception):
    """The token does not allow the request."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class TokenCheck:
    """Verifies access tokens: RS256 by a key of `jwks`, `issuer`, `audience`, lifetime, and `permission`."""

    def __init__(self, jwks: dict[str, Any], *, issuer: str, audience: str, permission: str) -> None:
        if not (issuer and audience and permission):
            raise ValueError("SERVICE_ISSUER, SERVICE_AUDIENCE and SERVICE_PERMISSION must be set")
        self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(jwks).keys}
        self._issuer = issuer
        self._audience = audience
        self._permission = permission

    def claims(self, authorization: str | None) -> dict[str, Any]:
        """The claims of the bearer token. Raises `RefusedError`; its reason quotes nothing of the token."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RefusedError(401, "no access token")
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise RefusedError(403, "the token's key is unknown: see idaas-agent trigger-jwks")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": REQUIRED_CLAIMS},
            )
        except jwt.InvalidTokenError as error:
            raise RefusedError(403, f"the token is refused: {type(error).__name__}") from None
        if self._permission not in str(claims["scope"]).split():
            raise RefusedError(403, "the token lacks the permission of this service")
        return claims


def answer(claims: dict[str, Any]) -> dict[str, Any]:
    """What the service does. Replace it with your own."""
    return {"message": f"Hello {claims['sub']}, this is the enterprise service.", "caller": claims["sub"]}


def handler(check: TokenCheck) -> type[BaseHTTPRequestHandler]:
    """The request handler."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "enterprise-service", ""

        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._send(200, {"status": "ok"})
                return
            try:
                self._send(200, answer(check.claims(self.headers.get("Authorization"))))
            except RefusedError as error:
                self._send(error.status, {"error": error.reason})

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > 1_048_576:
                self._send(413, {"error": "the body is too large"})
                self.close_connection = True
                return
            self.rfile.read(int(length))
            self.do_GET()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
            """One line a request, with the platform's id, without the query."""
            del format
            line = {
                "request_id": self.headers.get("x-fc-request-id") if self.headers else None,
                "method": self.command,
                "path": (self.path or "").partition("?")[0],
                "status": arguments[1] if len(arguments) > 1 else None,
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

        def _send(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

    return Handler


def main() -> None:
    """Serves on the platform's port."""
    check = TokenCheck(
        json.loads((CODE / "jwks.json").read_text("utf-8")),
        issuer=os.environ.get("SERVICE_ISSUER", ""),
        audience=os.environ.get("SERVICE_AUDIENCE", ""),
        permission=os.environ.get("SERVICE_PERMISSION", ""),
    )
    host, port = os.environ.get("SERVICE_HOST", "0.0.0.0"), int(os.environ.get("FC_SERVER_PORT", "9000"))  # noqa: S104 - the platform's gateway is in front
    ThreadingHTTPServer((host, port), handler(check)).serve_forever()


if __name__ == "__main__":
    main()
