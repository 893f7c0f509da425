"""Which surfaces an agent serves, and a surface of another package: ten lines and an entry point."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import httpx
import pytest

from agent.api.app import create_app
from agent.api.surface import ENTRY_POINTS, installed_surfaces
from agent.settings.settings import read_settings
from identity.errors import ConfigurationError
from tests.agent.conftest import running_agent
from tests.every_surface import of_plugins
from tests.loopback import NO_TLS
from tests.machine_token import JOB, machine_token
from tests.suite import Sandbox

PAGE = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text("utf-8")
[GREETING] = re.findall(r"<!-- greeting_surface.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)
FOR_CLIENTS = GREETING.replace("import Surface", "import ClientPaths, Surface").replace(
    'request_headers=("X-Tone",)', 'for_clients=ClientPaths("/greeting", lambda settings: "agent.greet")'
)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, with one that has a surface."""
    (tmp_path / "greeting_surface.py").write_text(GREETING)
    install(tmp_path, "greeting", "greeting = greeting_surface:GREETING")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for module in ("greeting_surface", "thief_surface"):
        sys.modules.pop(module, None)


def install(folder: Path, name: str, entry: str) -> None:
    """A distribution with one entry point."""
    metadata = folder / f"{name}_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[idaas_agent.surfaces]\n{entry}\n")


async def test_surface_of_another_package_is_served_to_verified_callers(
    installed: Path, sandbox: Sandbox
) -> None:
    with running_agent(sandbox) as server:
        async with server.client() as client, server.client(None) as stranger:
            greeted = await client.get("/greeting")
            assert greeted.json() == {"hello": "user_alice01"}
            assert (await stranger.get("/greeting")).status_code == 401
            assert (await stranger.get("/greeting/version")).json() == {"version": 1}
            assert (await stranger.post("/greeting/version")).status_code == 401
            preflight = {"Origin": "http://localhost:9001", "Access-Control-Request-Method": "GET"}
            preflight["Access-Control-Request-Headers"] = "X-Tone"
            assert (await stranger.options("/greeting", headers=preflight)).status_code == 200
            assert "/greeting" in (await client.get("/openapi.json")).json()["paths"]


async def test_surface_that_is_not_permitted_is_not_served(installed: Path, sandbox: Sandbox) -> None:
    with running_agent(sandbox, SURFACES="openai, ag-ui") as server:
        async with server.client() as client:
            assert (await client.get("/openai/v1/models")).status_code == 200
            assert (await client.get("/threads")).status_code == 200
            for method, path in [("GET", "/greeting"), ("GET", "/agent/input_schema"), *of_plugins("ROUTES")]:
                assert (await client.request(method, path, json={})).status_code == 404


@pytest.mark.promise("verified-caller")
async def test_surface_for_clients_admits_those_with_its_permission_alone_and_to_nothing_else(
    installed: Path, sandbox: Sandbox
) -> None:
    (installed / "greeting_surface.py").write_text(FOR_CLIENTS)
    tokens = {
        "client": machine_token(sandbox, "agent.greet"),
        "person": sandbox.access_token(permissions=("agent.access", "agent.greet")),
        "client without it": machine_token(sandbox, "agent.access"),
    }
    expected = {"client": 200, "person": 401, "client without it": 403}
    with running_agent(sandbox, CLIENT_IDS=JOB, ALLOW_CLIENT_CALLERS="true") as server:
        async with server.client(None) as http:
            for caller, status in expected.items():
                headers = {"Authorization": f"Bearer {tokens[caller]}"}
                greeted = await http.get("/greeting", headers=headers)
                assert greeted.status_code == status, caller
                listed = await http.get("/threads", headers=headers)
                assert listed.status_code == (403 if caller == "client" else 200), caller
                beside = await http.get("/greetings", headers=headers)
                assert beside.status_code == (403 if caller == "client" else 404), caller
            assert "agent.greet" in greeted.headers["www-authenticate"]


def test_surface_for_clients_is_not_offered_without_its_permission(installed: Path, sandbox: Sandbox) -> None:
    code = FOR_CLIENTS.replace('settings: "agent.greet"', "settings: None")
    (installed / "greeting_surface.py").write_text(code)
    with running_agent(sandbox) as server:
        headers = server.headers()
        assert httpx.get(f"{server.url}/greeting", headers=headers, verify=NO_TLS).status_code == 404


def test_unknown_surface_is_a_fault_that_lists_the_installed_ones(sandbox: Sandbox) -> None:
    settings = read_settings(sandbox.environment | {"SURFACES": "openai, graphql"})
    installed = ", ".join(sorted(entry.name for entry in entry_points(group=ENTRY_POINTS)))
    with pytest.raises(ConfigurationError) as refused:
        create_app(settings)
    assert [*refused.value.faults] == [f'SURFACES must list some of {installed}, found "graphql"']
    assert {"ag-ui", "langserve", "openai"} <= {*installed.split(", ")}


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("openai = greeting_surface:GREETING", 'two installed packages have an entry point "openai"'),
        ("other = greeting_surface:routes", 'entry point "other" must be a Surface'),
        ("other = not_installed:OTHER", 'entry point "other" cannot be used: it raised ModuleNotFoundError'),
    ],
)
def test_entry_point_that_is_no_surface_or_takes_a_name_stops_the_start(
    installed: Path, sandbox: Sandbox, entry: str, fault: str
) -> None:
    install(installed, "second", entry)
    with pytest.raises(ConfigurationError) as refused:
        create_app(read_settings(sandbox.environment))
    assert refused.value.faults[0].startswith(fault)


def test_every_entry_point_that_cannot_be_used_is_named_at_once(installed: Path, sandbox: Sandbox) -> None:
    install(installed, "second", "first = not_installed:FIRST\nsecond = greeting_surface:MISSING")
    with pytest.raises(ConfigurationError) as refused:
        create_app(read_settings(sandbox.environment))
    assert [fault.split('"')[1] for fault in refused.value.faults] == ["first", "second"]


def test_installation_without_surfaces_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ConfigurationError) as refused:
        installed_surfaces(None)
    assert [*refused.value.faults] == ["no surface is installed: install the agent's package again"]


@pytest.mark.parametrize(
    ("served", "opened", "fault"),
    [
        ("/threads", "/threads", 'surfaces "threads" and "thief" both serve /threads'),
        ("/greeting/other", "/threads", 'surface "thief" opens /threads, which it does not serve'),
    ],
)
@pytest.mark.promise("verified-caller")
def test_surface_that_serves_or_opens_a_path_of_another_stops_the_start(
    installed: Path, sandbox: Sandbox, served: str, opened: str, fault: str
) -> None:
    code = GREETING.replace('"greeting"', '"thief"').replace('get("/greeting")', 'get("/thief")')
    code = code.replace('get("/greeting/version")', f'get("{served}")')
    install_thief(installed, code.replace('{"/greeting/version"}', f'{{"{opened}"}}'))
    with pytest.raises(ConfigurationError) as refused:
        create_app(read_settings(sandbox.environment))
    assert refused.value.faults[0] == fault


@pytest.mark.promise("verified-caller")
def test_paths_for_clients_are_those_of_one_surface(installed: Path, sandbox: Sandbox) -> None:
    (installed / "greeting_surface.py").write_text(
        FOR_CLIENTS.replace('"/greeting", lambda', '"/thief", lambda')
    )
    install_thief(installed, GREETING.replace("greeting", "thief"))
    with pytest.raises(ConfigurationError) as refused:
        create_app(read_settings(sandbox.environment))
    assert [*refused.value.faults] == [
        'surface "greeting" is for clients, at /thief, and serves /greeting',
        'surface "greeting" is for clients, at /thief, and serves /greeting/version',
        'surface "thief" serves /thief, which is for clients of surface "greeting"',
        'surface "thief" serves /thief/version, which is for clients of surface "greeting"',
    ]


@pytest.mark.promise("verified-caller")
def test_surface_that_offers_no_routes_opens_no_path(installed: Path, sandbox: Sandbox) -> None:
    code = GREETING.replace('"greeting"', '"thief"').replace("routes=routes", "routes=lambda agent: None")
    install_thief(installed, code.replace('{"/greeting/version"}', '{"/threads"}'))
    with running_agent(sandbox) as server:
        assert httpx.get(f"{server.url}/threads", verify=NO_TLS).status_code == 401


def install_thief(folder: Path, code: str) -> None:
    """A second package with a surface, `thief`."""
    (folder / "thief_surface.py").write_text(code)
    install(folder, "thief", "thief = thief_surface:GREETING")


@pytest.mark.promise("verified-caller")
async def test_only_the_public_paths_that_a_surface_names_may_be_kept_by_clients(
    installed: Path, sandbox: Sandbox
) -> None:
    kept = re.sub(
        r"return (\{.*\})", r'return JSONResponse(\1, headers={"Cache-Control": "max-age=60"})', GREETING
    )
    kept = f"from starlette.responses import JSONResponse\n{kept}"
    cached = 'cached_paths=frozenset({"/greeting/version"}), '
    named = kept.replace("public_paths=", f"{cached}public_paths=")
    for text, expected in ((kept, "max-age=60, no-store"), (named, "max-age=60")):
        (installed / "greeting_surface.py").write_text(text)
        sys.modules.pop("greeting_surface", None)
        with running_agent(sandbox) as server:
            async with server.client() as client:
                version = await client.get("/greeting/version")
                assert version.headers["Cache-Control"] == expected
                assert (await client.get("/greeting")).headers["Cache-Control"] == "max-age=60, no-store"


@pytest.mark.promise("verified-caller")
def test_surface_cannot_let_clients_keep_what_is_not_public(installed: Path, sandbox: Sandbox) -> None:
    named = GREETING.replace("public_paths=", 'cached_paths=frozenset({"/greeting"}), public_paths=')
    (installed / "greeting_surface.py").write_text(named)
    with pytest.raises(ConfigurationError, match="lets clients keep /greeting, which is not public"):
        create_app(read_settings(sandbox.environment))
