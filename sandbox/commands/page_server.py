"""The static server of the browser page (`frontend/`), as `idaas-agent up` runs it on port 9001.

It serves only the page's own modules and styles, the files of npm packages that the page imports, and
`/config.js`, which comes from memory so that the user's file stays unchanged. Any other static server can
serve the folder; this one adds response headers (`frame-ancestors` has no effect in a `<meta>` policy) and
limits `connect-src` to the configured origins.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from agent.http.response_headers import html_headers, response_headers

PACKAGE_FILES: Final = (
    "node_modules/@highlightjs/cdn-assets/es/highlight.min.js",
    "node_modules/dompurify/dist/purify.min.js",
    "node_modules/eventsource-parser/dist/index.js",
    "node_modules/marked/lib/marked.esm.js",
    "node_modules/oauth4webapi/build/index.js",
    "node_modules/temml/dist/temml.mjs",
)
"""The files of npm packages that the page imports; no other path under `node_modules` is served."""

MEDIA_TYPES: Final = MappingProxyType(
    {
        ".html": "text/html",
        ".css": "text/css",
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".svg": "image/svg+xml",
    }
)
"""By suffix. A file with another suffix is not served."""

_UNSERVED_FOLDERS: Final = frozenset({"node_modules", "tests"})
_SEGMENT: Final = re.compile(r"@?[A-Za-z0-9_][A-Za-z0-9._-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:\d+)?")
_CONNECTED: Final = ("API_URL", "TOKEN_ENDPOINT", "ISSUER")
_FRAMED: Final = ("IDAAS_AUTHORIZE_ENDPOINT",)
_SHOWN: Final = ("LOGO_URL",)


class PageIncompleteError(FileNotFoundError):
    """The folder has no page, or its npm packages are not installed."""

    def __init__(self, missing: Path, folder: Path) -> None:
        super().__init__(f'"{missing}" is missing: run "npm ci --prefix {folder}"')


def page_application(folder: Path, app_config: Mapping[str, str]) -> Starlette:
    """The page of `folder` as an ASGI application. It reads files only, and only below `folder`.

    `/config.js` sets `window.APP_CONFIG` to exactly the members of `app_config`, and the page may connect
    only to the origins that they name, and frame only that of the sign-in. `app_config` is public: it must
    not contain a secret.

    Raises `PageIncompleteError` if `index.html` or a package file is missing.
    """
    root = folder.resolve()
    for name in ("index.html", *PACKAGE_FILES):
        if not (root / name).is_file():
            raise PageIncompleteError(root / name, root)

    async def config(_: Request) -> Response:
        return Response(_config_script(app_config), media_type=MEDIA_TYPES[".js"])

    async def file(request: Request) -> Response:
        path = servable_file(root, request.path_params["path"] or "index.html")
        if path is None:
            return PlainTextResponse("Not found", status_code=404)
        return _file_response(path, request.headers.get("if-none-match"))

    application = Starlette(routes=[Route("/config.js", config), Route("/{path:path}", file)])
    headers = page_headers(app_config)
    application.add_middleware(response_headers, headers=headers)
    return application


def servable_file(root: Path, path: str) -> Path | None:
    """The file for a URL path, or `None` unless it is a regular file that belongs to the page.

    Refused: dot files, `..`, empty segments, back slashes and control characters, suffixes that are not in
    `MEDIA_TYPES`, tests, packages beyond `PACKAGE_FILES`, symbolic links that lead out of `root`, and names
    that the file system refuses.
    """
    segments = path.split("/")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        return None
    if segments[0] in _UNSERVED_FOLDERS and path not in PACKAGE_FILES:
        return None
    if PurePosixPath(path).suffix not in MEDIA_TYPES:
        return None
    file = (root / path).resolve()
    try:
        return file if file.is_relative_to(root) and file.is_file() else None
    except OSError:  # such as a name that is too long
        return None


def page_headers(app_config: Mapping[str, str]) -> Mapping[str, str]:
    """Security headers for every response of the page, errors included."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": " ".join(("'self'", "data:", *_origins(app_config, _SHOWN))),
        "connect-src": " ".join(("'self'", *_origins(app_config, _CONNECTED))),
        "frame-src": " ".join(("'self'", *_origins(app_config, _FRAMED))),
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",  # the page itself, when it renews a sign-in
        "require-trusted-types-for": "'script'",
        "trusted-types": "dompurify",
    }
    return html_headers("; ".join(f"{name} {value}" for name, value in policy.items()))


def _file_response(path: Path, known: str | None) -> Response:
    """The whole file, because the page's files are small.

    304 if the browser has it (RFC 9110, section 13.1.2).
    """
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    if known is not None and tag in known:
        return Response(status_code=304, headers={"etag": tag})
    return Response(content, headers={"etag": tag}, media_type=MEDIA_TYPES[path.suffix])


def _origins(app_config: Mapping[str, str], names: Sequence[str]) -> tuple[str, ...]:
    """Scheme, host and port of each of these URLs, without duplicates."""
    urls = (urlsplit(app_config.get(name, "")) for name in names)
    return tuple(dict.fromkeys(f"{url.scheme}://{url.netloc}" for url in urls if _HOST.fullmatch(url.netloc)))


def _config_script(app_config: Mapping[str, str]) -> str:
    """A script that no value can break out of: JSON is a subset of JavaScript (ECMA-262)."""
    members = json.dumps(dict(app_config), indent=2, ensure_ascii=True)
    return f"window.APP_CONFIG = Object.freeze({members});\n"
