"""The page server serves only the page's files, under a strict policy."""

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from sandbox.commands.page_server import PACKAGE_FILES, PageIncompleteError, page_application

FRONTEND = Path(__file__).resolve().parents[3] / "frontend"
CONFIG = {
    "API_URL": "http://localhost:9002/openai/v1/chat/completions",
    "IDAAS_AUTHORIZE_ENDPOINT": "http://localhost:9400/authorize",
    "IDAAS_LOGOUT_ENDPOINT": "http://localhost:9400/logout",
    "CLIENT_ID": "app_client01",
    "SCOPE": "https://agent.example.com|agent.access",
    "TOKEN_ENDPOINT": "http://localhost:9400/token",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page folder that also contains files that must not be served."""
    (tmp_path / "page").mkdir()
    for name in (
        "index.html",
        "config.js",
        "view/page.js",
        "tests/chat.test.js",
        "package.json",
        ".npmrc",
        ".env.js",
        "view/.hidden.js",
        "node_modules/marked/lib/marked.umd.js",
        "node_modules/evil/index.js",
        *PACKAGE_FILES,
    ):
        file = tmp_path / "page" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("content")
    (tmp_path / "secret.js").write_text("secret")
    (tmp_path / "page" / "linked.js").symlink_to(tmp_path / "secret.js")
    return tmp_path / "page"


def client(folder: Path, config: dict[str, str] = CONFIG) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(page_application(folder, config))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:9001")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/view/page.js", "text/javascript; charset=utf-8"),
        ("/config.js", "text/javascript; charset=utf-8"),
        *((f"/{name}", "text/javascript; charset=utf-8") for name in PACKAGE_FILES),
    ],
)
async def test_the_pages_files_are_served_with_their_media_type(folder: Path, path: str, media_type: str):
    async with client(folder) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


@pytest.mark.parametrize(
    "path",
    [
        "/package.json",
        "/.npmrc",
        "/.env.js",
        "/view/.hidden.js",
        "/tests/chat.test.js",
        "/view",
        "/view/",
        "/linked.js",
        "/node_modules/evil/index.js",
        "/node_modules/marked/lib/marked.umd.js",
        "/missing.js",
        "//etc/passwd",
        "/view//page.js",
        "/a%5cb.js",
        "/%2e%2e/secret.js",
        "/view/..%2f..%2fsecret.js",
        "/view%2f%2e%2e%2f%2e%2e%2fsecret.js",
        "/..%5csecret.js",
        "/index.html%00.js",
    ],
)
async def test_other_paths_are_not_served(folder: Path, path: str):
    async with client(folder) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.text) == (404, "Not found")
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("path", ["a" * 300 + ".js", "x/" * 1500 + "a.js", "index.html/a.js", "styles"])
async def test_path_that_is_invalid_in_the_file_system_is_not_found(folder: Path, path: str):
    assert (await client(folder).get(f"/{path}")).status_code == 404


async def test_a_file_that_the_browser_has_is_not_sent_again_until_it_changes(folder: Path):
    async with client(folder) as http:
        tag = (await http.get("/view/page.js")).headers["etag"]
        again = await http.get("/view/page.js", headers={"if-none-match": tag})
        (folder / "view/page.js").write_text("changed")
        changed = await http.get("/view/page.js", headers={"if-none-match": tag})
    assert (again.status_code, again.text) == (304, "")
    assert (changed.status_code, changed.text) == (200, "changed")


async def test_other_methods_are_refused(folder: Path):
    async with client(folder) as http:
        assert (await http.post("/config.js")).status_code == 405
        assert (await http.head("/")).status_code == 200


async def test_given_values_replace_config_js_and_do_not_change_the_file(folder: Path):
    hostile = CONFIG | {"CLIENT_ID": "</script>\u2028'\"\\"}
    async with client(folder, hostile) as http:
        script = (await http.get("/config.js")).text
    match = re.fullmatch(r"window\.APP_CONFIG = Object\.freeze\((.*)\);\n", script, re.DOTALL)
    assert match is not None
    assert json.loads(match[1]) == hostile
    assert "\u2028" not in script
    assert (folder / "config.js").read_text() == "content"


def directives(policy: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in policy.split(";"))


async def test_the_page_connects_only_to_the_configured_origins(folder: Path):
    async with client(folder) as http:
        policy = directives((await http.get("/")).headers["content-security-policy"])
    assert policy["connect-src"] == "'self' http://localhost:9002 http://localhost:9400"
    assert policy["frame-src"] == "'self' http://localhost:9400"
    assert policy["img-src"] == "'self' data:"


async def test_a_logo_of_another_site_may_be_shown_from_there_only(folder: Path):
    async with client(folder, CONFIG | {"LOGO_URL": "https://cdn.example.com/logo.png"}) as http:
        policy = directives((await http.get("/")).headers["content-security-policy"])
    assert policy["img-src"] == "'self' data: https://cdn.example.com"


async def test_a_value_cannot_add_to_the_policy(folder: Path):
    async with client(folder, CONFIG | {"API_URL": "https://a.example; script-src *"}) as http:
        policy = (await http.get("/")).headers["content-security-policy"]
    assert directives(policy)["script-src"] == "'self'"
    assert policy.count("script-src") == 1


async def test_every_response_has_the_security_headers(folder: Path):
    async with client(folder) as http:
        headers = (await http.get("/missing")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert directives(headers["content-security-policy"])["frame-ancestors"] == "'self'"


class MetaPolicy(HTMLParser):
    policy = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        members = dict(attrs)
        if tag == "meta" and members.get("http-equiv") == "Content-Security-Policy":
            self.policy = members["content"] or ""


async def test_on_any_other_static_server_the_page_has_the_same_policy():
    parser = MetaPolicy()
    parser.feed((FRONTEND / "index.html").read_text())
    async with client(FRONTEND) as http:
        header = directives((await http.get("/")).headers["content-security-policy"])
    assert header.pop("frame-ancestors") == "'self'"  # a meta element cannot say it (CSP 3, section 3.3)
    own = directives(parser.policy)
    for name in ("connect-src", "frame-src"):  # there the agent's address is not known
        assert own.pop(name) == "'self' https: http://localhost:* http://127.0.0.1:*"
        del header[name]
    assert own == header


@pytest.mark.parametrize("missing", ["index.html", PACKAGE_FILES[0]])
def test_a_page_without_its_packages_is_refused_at_start(folder: Path, missing: str):
    (folder / missing).unlink()
    with pytest.raises(PageIncompleteError, match="npm ci"):
        page_application(folder, CONFIG)


def imported_by(module: Path, found: set[Path]) -> set[Path]:
    for target in re.findall(r"""^import (?:[^';]+ from )?'(\.[^']+)';""", module.read_text(), re.MULTILINE):
        file = (module.parent / target).resolve()
        if file not in found:
            found.add(file)
            imported_by(file, found)
    return found


def test_every_module_is_preloaded():
    modules = {file.relative_to(FRONTEND).as_posix() for file in imported_by(FRONTEND / "main.js", set())}
    preloaded = re.findall(
        r'<link rel="modulepreload" href="([^"]+)">', (FRONTEND / "index.html").read_text()
    )
    assert sorted(preloaded) == sorted(modules)


def own_scripts() -> list[Path]:
    """The page's scripts, without those of packages and tests."""
    scripts = [file.relative_to(FRONTEND) for file in FRONTEND.rglob("*.js")]
    return [FRONTEND / script for script in scripts if script.parts[0] not in ("node_modules", "tests")]


async def test_everything_that_the_page_imports_is_served():
    imports = re.compile(r"""(?:from|import)\s*\(?\s*'(\.[^']+)'""")
    assert len(own_scripts()) > 20
    async with client(FRONTEND) as http:
        for source in own_scripts():
            for target in imports.findall(source.read_text()):
                path = (source.parent / target).resolve().relative_to(FRONTEND)
                assert (await http.get(f"/{path}")).status_code == 200, path


def test_all_scripts_that_the_page_begins_with_stay_under_150_kb_compressed():
    loaded = (FRONTEND / "index.html").read_text()
    when_needed = {FRONTEND / "chat" / "exported.js", FRONTEND / "view" / "formula.js"}
    when_needed |= {FRONTEND / "view" / f"{name}-view.js" for name in ("inbox", "past-calls", "rights")}
    when_needed |= {FRONTEND / "chat" / "past-calls.js", FRONTEND / "view" / "decision.js"}
    when_needed.add(FRONTEND / "view" / "lasting-form.js")
    when_needed |= {FRONTEND / "language" / name for name in ("zh.js", "zh-errors.js")}
    own = [script for script in own_scripts() if script not in when_needed]
    packages = [FRONTEND / name for name in PACKAGE_FILES if name in loaded]  # the others, when needed
    assert sum(len(gzip.compress(file.read_bytes())) for file in [*own, *packages]) < 150_000
