"""The wheel installs one name, and runs beside a project that has folders of the agent's names."""

import csv
import io
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from agent.one_package import INNER, moved_imports, within_package
from scripts import wheel_lock
from tests.command import running
from tests.deploy.shipped import BUILD, ROOT

OWN_TOOL = '''"""A tool of a project with folders of its own, one of them called `tools`."""

from idaas_agent import READS, HTTPService, ServiceClient, ToolResult

from tools.words import WORDS


def service(greetings: HTTPService, settings) -> None:
    @greetings.tool(policy=READS)
    async def greet(http: ServiceClient) -> ToolResult:
        """Greets."""
        return ToolResult(WORDS)
'''
OWN_GRAPH = """from langgraph.graph import END

from graph.words import AFTER
from idaas_agent import build_graph


def build(parts):
    graph = build_graph(parts, last="after").add_edge("after", END)
    return graph.add_node("after", lambda _: {"messages": ("ai", AFTER)})
"""
SERVICES = """[services.greetings]
type = "http"
url = "https://greetings.example.com"
python = "tools/greetings.py:service"
"""
IDAAS_AGENT = "from idaas_agent.agent.cli import main; main()"
PORTS = ("agent", "page", "idaas", "idaas-plain", "model-studio", "function-compute")


def shipped_of_plugins() -> set[str]:
    """The code and the data of plug-ins, without tests, documents and bytecode."""
    files = [file.relative_to(ROOT) for file in (ROOT / "plugins").rglob("*") if file.is_file()]
    not_shipped = {"tests", "__pycache__"}
    return {
        f"idaas_agent/{file.as_posix()}"
        for file in files
        if file.suffix != ".md" and not_shipped.isdisjoint(file.parts)
    }


def test_wheel_has_one_name_and_a_true_record(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [record] = [name for name in names if name.endswith("/RECORD")]
        rows = {row[0]: row[2] for row in csv.reader(io.TextIOWrapper(archive.open(record)))}
        assert rows == {name: str(archive.getinfo(name).file_size) for name in names if name != record} | {
            record: ""
        }
    assert {name.split("/")[0] for name in names} == {"idaas_agent", record.split("/")[0]}
    assert {"idaas_agent/examples/my_agent/.github/workflows/test.yml", "idaas_agent/py.typed"} <= {*names}
    texts = {f"idaas_agent/{layer}/errors.toml" for layer in ("agent/errors", "graph", "identity", "tools")}
    assert texts <= {*names}
    copied = {"deploy/kubernetes/kustomization.yaml", "examples/policy/sandbox.toml"}
    assert {f"idaas_agent/{name}" for name in copied} <= {*names}
    assert "idaas_agent/plugins/__init__.py" in names
    assert {name for name in names if name.startswith("idaas_agent/plugins/")} == shipped_of_plugins()


def test_installed_package_has_its_version_beside_a_package_called_tools(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text("VERSION = 'of another'\n")
    command = [sys.executable, "-c", "import idaas_agent; print(idaas_agent.__version__)"]
    path = f"{tmp_path}:{wheel}"
    printed = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": path}, capture_output=True, check=True)  # noqa: S603 - this test's own command
    assert printed.stdout.decode().strip() in wheel.name


async def test_installed_wheel_runs_with_its_page_beside_a_project_of_the_same_names(
    unpacked_wheel: Path, dependencies: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    for name in INNER:
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text("")
    (project / "tools" / "words.py").write_text('WORDS = "good morning from the project"\n')
    (project / "tools" / "greetings.py").write_text(OWN_TOOL)
    (project / "graph" / "words.py").write_text('AFTER = "says its own graph"\n')
    (project / "graph" / "own.py").write_text(OWN_GRAPH)
    (project / "services.toml").write_text(SERVICES)
    ports = [f"--{name}-port=0" for name in PORTS]
    path = ":".join(map(str, (project, unpacked_wheel, dependencies)))
    variables = {
        "PYTHONPATH": path,
        "SERVICES_FILE": "services.toml",
        "GRAPH": "graph.own:build",
        "ACCESS_IDENTITY": "Human",
    }
    python = [sys._base_executable, "-c", IDAAS_AGENT]
    async with running(*python, "up", *ports, folder=project, **variables) as up:
        await up.says("ready (Ctrl-C stops all)")
        addresses = dict(re.findall(r"^(page|agent) +(http://\S+)", up.printed, re.MULTILINE))
        [idaas] = re.findall(r"and (http://localhost:\d+)", up.printed)
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            page = await http.get(addresses["page"])
            loaded = re.findall(r'href="(node_modules/\S+)"', page.text)
            assert len(loaded) == 3
            for name in loaded:
                assert (await http.get(f"{addresses['page']}/{name}")).status_code == 200
        question = ["--url", addresses["agent"], "--sandbox-url", idaas, "call greet with {}"]
        async with running(*python, "chat", *question, folder=project, PYTHONPATH=path) as chat:
            assert await chat.ends() == 0, chat.printed
            assert "good morning from the project" in chat.printed
            assert "says its own graph" in chat.printed
        up.send_signal(signal.SIGTERM)


def test_lock_file_beside_the_wheel_installs_it_by_its_path_and_hash(wheel: Path, tmp_path: Path) -> None:
    beside = shutil.copy(wheel, tmp_path)
    wheel_lock.main(tmp_path)
    *packages, ours = (tmp_path / "requirements.lock").read_text().splitlines(keepends=True)
    assert "".join(packages) == (ROOT / "requirements.lock").read_text()
    assert ours.startswith(f"./{wheel.name}[server,policy] --hash=sha256:")
    (tmp_path / "requirements.lock").write_text(ours)  # the packages are in an index
    options = ["--no-index", "--no-deps", "--require-hashes", "--target", tmp_path / "site"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *options, "-r", "requirements.lock"]
    subprocess.run(command, cwd=tmp_path, check=True)  # noqa: S603 - this test's own command
    assert (tmp_path / "site" / "idaas_agent" / "__init__.py").is_file()
    with Path(beside).open("ab") as file:
        file.write(b"changed")
    refused = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)  # noqa: S603 - the same
    assert "DO NOT MATCH THE HASHES" in refused.stderr


def test_texts_that_name_modules_move_and_others_stay() -> None:
    source = b'from tools.leave import x\nNAMES = "tools.leave:service", "agent.env", "tools.leave is one"\n'
    moved = within_package({"tools/leave.py": source, "tests/test_x.py": b""})
    assert moved["idaas_agent/tools/leave.py"] == (
        b"from idaas_agent.tools.leave import x\n"
        b'NAMES = "idaas_agent.tools.leave:service", "agent.env", "tools.leave is one"\n'
    )
    assert moved["tests/test_x.py"] == b""
    assert within_package(moved) == moved


def test_import_that_binds_the_name_of_a_folder_is_refused() -> None:
    with pytest.raises(ValueError, match='"import …" cannot'):
        moved_imports(b"import tools.leave\n", "x.py")


def test_there_is_no_source_distribution_and_the_refusal_says_why(tmp_path: Path) -> None:
    build = BUILD.replace("build_wheel", "build_sdist")
    refused = subprocess.run(  # noqa: S603 - this test's own command
        [sys.executable, "-c", build, tmp_path], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert "there is no sdist: the wheel needs the page's npm packages" in refused.stderr
    assert list(tmp_path.iterdir()) == []
