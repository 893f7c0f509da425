"""The packages: what is in them, and that they contain no secret."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from agent.commands.command_line import app
from agent.settings.settings import read_settings
from plugins.package.agentrun import AgentRunOptions, package_agentrun
from plugins.package.carried import AGENTRUN, TREE, Configuration, carried, package_tree
from plugins.package.command import next_of_tree, tree_folder
from plugins.package.enterprise_service import (
    FunctionOptions,
    deployed_jwks,
    package_enterprise_service,
    trigger_jwks,
)
from plugins.package.parts import PackagingError, install_dependencies, write_zip
from sandbox.agent_files.agent_environment import sdk_configuration
from sandbox.authn_method import AuthnMethod
from tests.every_command import AUTHORITIES, typed
from tests.suite import Sandbox
from tools import VERSION

ROOT = Path(__file__).parents[3]
FUNCTION = ROOT / "deploy" / "enterprise-service"


def install(folder: Path) -> None:
    """Two dependencies, with bytecode that does not belong into a package."""
    (folder / "one").mkdir()
    (folder / "one" / "__init__.py").write_text("value = 1\n")
    (folder / "one" / "__pycache__").mkdir()
    (folder / "one" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (folder / "two.py").write_text("")


def variables(sandbox: Sandbox, folder: Path, method: str = "PLUGIN") -> dict[str, str]:
    """The sandbox's, with an SDK configuration file of a method."""
    file = folder / "client-config.json"
    file.write_text(json.dumps(sdk_configuration(sandbox.cloud, AuthnMethod(method))))
    role = sandbox.cloud.execution_role.current("function", 3600)
    return sandbox.environment | {
        "CLOUD_IDAAS_CONFIG_PATH": str(file),
        "REDIS_URL": "rediss://user:sesame@redis.example:6379",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": role.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": role.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": role.security_token,
    }


NOT_THERE = dict.fromkeys(
    ("AUDIT_LOG_FILE", "ENV_PRIVATE_KEY", "IDAAS_CLIENT_SECRET", "IDAAS_EVENTS_KEY_FILE", "REDIS_URL"), ""
) | {"CONVERSATIONS_URL": "none", "REVOCATIONS_FILE": ""}
"""What an operator of the sandbox's variables decides with `--set`."""
PAYROLL = """
[services.payroll]
type = "http"
url = "https://payroll.example"
access_token = "https://payroll.example|payroll.read"
python = "tools/payroll.py:service"
[services.payroll.policies.payslip]
effect = "read"
"""


TOOL = '''
def service(payroll, settings):
    @payroll.tool
    async def payslip(http) -> str:
        """Gets the payslip."""
        return ""
'''
GRAPH = """
from idaas_agent import build_graph


def build(parts):
    return build_graph(parts)
"""


def configured(given: dict[str, str], own_lock: Path | None = None, **chosen: str) -> Configuration:
    return Configuration(
        read_settings(given), given, ROOT / "requirements.lock", own_lock, NOT_THERE | chosen, tuple(given)
    )


def built(sandbox: Sandbox, folder: Path, **options: Any) -> Path:
    configuration = configured(variables(sandbox, folder))
    chosen = AgentRunOptions(**options)
    package_agentrun(configuration, chosen, folder / "out", source=ROOT, install=install)
    return folder / "out"


def names(package: Path) -> set[str]:
    with zipfile.ZipFile(package / "code.zip") as archive:
        return set(archive.namelist())


def test_zip_contains_only_the_agent_and_its_dependencies(sandbox: Sandbox, tmp_path: Path) -> None:
    package = built(sandbox, tmp_path)
    found = names(package)
    assert {name.partition("/")[0] for name in found} == {
        "idaas_agent",
        f"idaas_agent-{VERSION}.dist-info",
        "python",
        "own",
        "main.py",
        "client-config.json",
    }
    assert {"idaas_agent/agent/cli.py", "python/one/__init__.py", "python/two.py"} <= found
    assert "idaas_agent/plugins/package/runtime_schema.json" in found
    assert {"idaas_agent/agent/errors/errors.toml", "idaas_agent/identity/errors.toml"} <= found
    assert {name for name in found if name.startswith("own/")} == {"own/certificates.pem"}
    assert not [name for name in found if "__pycache__" in name or name.endswith(".pyc")]


def test_no_file_of_the_package_contains_a_secret(sandbox: Sandbox, tmp_path: Path) -> None:
    package = built(sandbox, tmp_path)
    secrets, role = sandbox.cloud.secrets, sandbox.cloud.execution_role.current("function", 3600)
    texts = [path.read_bytes() for path in package.iterdir() if path.suffix != ".zip"]
    with zipfile.ZipFile(package / "code.zip") as archive:
        texts += [archive.read(name) for name in archive.namelist()]
    of_role = (role.access_key_secret, role.security_token)
    of_client = (secrets.agent_client_secret, secrets.agent_private_key.splitlines()[1])
    for secret in ("sesame", *of_role, *of_client):
        assert not [text for text in texts if secret.encode() in text]


def test_description_has_the_agents_variables(sandbox: Sandbox, tmp_path: Path) -> None:
    package = built(sandbox, tmp_path, region="cn-beijing", role="agent-role")
    props = yaml.safe_load((package / "s.yaml").read_text())["resources"]["agent"]["props"]
    agent = props["agent"]
    assert (props["region"], agent["role"], agent["port"]) == ("cn-beijing", "agent-role", 9002)
    assert agent["healthCheckConfiguration"]["httpGetUrl"] == "/health"
    found = agent["environmentVariables"]
    assert found["AGENT_AUDIENCE"] == sandbox.environment["AGENT_AUDIENCE"]
    assert found["CLOUD_IDAAS_CONFIG_PATH"] == "/code/client-config.json"
    assert (found["AGENT_HOST"], found["AGENT_PORT"]) == ("0.0.0.0", "9002")  # noqa: S104 - the platform's
    assert found["SSL_CERT_FILE"] == "/code/own/certificates.pem"
    assert found.keys().isdisjoint(NOT_THERE.keys() - {"CONVERSATIONS_URL"})
    policy = json.loads((package / "role-policy.json").read_text())
    assert policy["Statement"][0]["Action"] == "eiam:GenerateOauthToken"
    assert "API_URL" in (package / "config.js").read_text()


def with_own_files(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    """Variables that name a services file with code, a list of accepted tools and a prompt."""
    (folder / "tools").mkdir()
    for name, text in {
        "my.toml": PAYROLL,
        "tools/payroll.py": TOOL,
        "accepted.json": "{}",
        "prompt": "You are brief.",
        "rules.cedar": "permit (principal, action, resource);\n// end\n",
    }.items():
        (folder / name).write_text(text)
    (folder / "graphs").mkdir()
    (folder / "graphs" / "my_graph.py").write_text(GRAPH)
    own = {"SERVICES_FILE": "my.toml", "ACCEPTED_TOOLS_FILE": "accepted.json", "SYSTEM_PROMPT_FILE": "prompt"}
    own["POLICY_FILE"] = "rules.cedar"
    files = {name: str(folder / file) for name, file in own.items()}
    return variables(sandbox, folder) | files | {"GRAPH": "graphs/my_graph.py:build"}


def test_own_tools_policies_and_certificates_are_carried(sandbox: Sandbox, tmp_path: Path) -> None:
    given = with_own_files(sandbox, tmp_path) | {"OTEL_SERVICE_NAME": "ours"}
    found = carried(configured(given, AUDIT_LOG_FILE="-"), AGENTRUN)
    assert found.faults == []
    assert found.files["services.toml"].decode() == PAYROLL
    assert found.files.keys() == {
        *("accepted-tools.json", "certificates.pem", "services.toml", "system-prompt.md", "tools/payroll.py"),
        *("graphs/my_graph.py", "policy.cedar"),
    }
    assert found.variables["GRAPH"] == "/code/own/graphs/my_graph.py:build"
    for name in (
        "ACCEPTED_TOOLS_FILE",
        "POLICY_FILE",
        "SERVICES_FILE",
        "SSL_CERT_FILE",
        "SYSTEM_PROMPT_FILE",
    ):
        folder, _, file = found.variables[name].rpartition("/")
        assert (folder, file in found.files) == ("/code/own", True)
    kept = {
        name: found.variables[name] for name in ("OTEL_SERVICE_NAME", "AUDIT_LOG_FILE", "CONVERSATIONS_URL")
    }
    assert kept == {"OTEL_SERVICE_NAME": "ours", "AUDIT_LOG_FILE": "-", "CONVERSATIONS_URL": "none"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUDIT_LOG_FILE", "audit.jsonl"),
        ("CONVERSATIONS_URL", "postgresql://agent:sesame@db.example/agent"),
        ("CONVERSATIONS_URL", "sqlite:////srv/agent.db"),
        ("HTTPS_PROXY", "http://agent:sesame@proxy.example:3128"),
        ("IDAAS_CLIENT_SECRET", "sesame"),
        ("LANGSMITH_API_KEY", "sesame"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=sesame"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
        ("REDIS_URL", "rediss://agent:sesame@redis.example:6379"),
        ("REVOCATIONS_FILE", "revocations.sqlite"),
    ],
)
def test_what_cannot_be_carried_is_a_fault_until_the_operator_decides(
    sandbox: Sandbox, tmp_path: Path, name: str, value: str
) -> None:
    given = variables(sandbox, tmp_path) | {name: value}
    settings, lock = read_settings(given), ROOT / "requirements.lock"
    left = {key: there for key, there in NOT_THERE.items() if key != name}
    found = carried(Configuration(settings, given, lock, None, left, tuple(given)), AGENTRUN)
    assert [fault.split()[0] for fault in found.faults] == [name]
    assert f"--set {name}=" in found.faults[0]
    assert "is no variable of the agent" not in found.faults[0] or name == "LANGSMITH_API_KEY"
    assert "sesame" not in f"{found}"
    found = carried(Configuration(settings, given, lock, None, left | {name: ""}, tuple(given)), AGENTRUN)
    assert (found.faults, name in found.variables) == ([], False)
    if "sesame" in value:
        found = carried(Configuration(settings, given, lock, None, left | {name: value}), AGENTRUN)
        assert [fault.split()[:2] for fault in found.faults] == [["--set", name]]


def test_own_code_that_cannot_be_carried_is_a_fault(sandbox: Sandbox, tmp_path: Path) -> None:
    given = with_own_files(sandbox, tmp_path) | {
        "LLM_PROVIDER": "jinja2.ext:provider", "LLM_MODEL": "m"
    }  # fmt: skip
    (tmp_path / "my.toml").write_text(
        PAYROLL.replace("tools/payroll.py", "../payroll.py")
        + PAYROLL.replace("payroll]", "people]")
        .replace("payroll.policies", "people.policies")
        .replace("tools/payroll.py", "pytest")
    )
    (tmp_path / "prompt").write_text("-----BEGIN {} KEY-----".format("PRIVATE"))
    outside, secret, unlocked = carried(configured(given), AGENTRUN).faults
    assert outside.startswith("SERVICES_FILE: services.payroll.python must name a file in the folder")
    assert secret == f"{tmp_path}/prompt contains a private key"
    assert unlocked.startswith('SERVICES_FILE: services.people.python names "pytest" of the package pytest')
    lock = tmp_path / "own.lock"
    lock.write_text("./wheels/pytest-9.0.0-py3-none-any.whl \\\n    --hash=sha256:0\n")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "pytest-9.0.0-py3-none-any.whl").write_bytes(b"wheel")
    found = carried(configured(given, lock), AGENTRUN)
    assert len(found.faults) == 2
    assert found.packages.keys() == {"requirements.lock", "wheels/pytest-9.0.0-py3-none-any.whl"}


def test_provider_by_name_needs_langchain_in_a_lock_file(sandbox: Sandbox, tmp_path: Path) -> None:
    given = variables(sandbox, tmp_path) | {"LLM_PROVIDER": "langchain:openai", "LLM_MODEL": "m"}
    [fault] = carried(configured(given), AGENTRUN).faults
    assert fault.startswith('LLM_PROVIDER names "langchain" of the package langchain')


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("import pytest", "pytest"),
        ("def later():\n    from pytest.raises import anything", "pytest"),
        ("def build_later():\n    import no_such_module_anywhere", "no_such_module_anywhere"),
        ("try:\n    import pytest\nexcept ImportError:\n    pytest = None", None),
        ("try:\n    import pytest\nexcept (ModuleNotFoundError, OSError):\n    pytest = None", None),
        ("try:\n    import pytest\nexcept Exception:\n    pytest = None", None),
        ("try:\n    import pytest\nexcept:\n    pytest = None", None),
        ("try:\n    import pytest\nexcept OSError:\n    pytest = None", "pytest"),
        ("try:\n    import json\nexcept ImportError:\n    import pytest", "pytest"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pytest", None),
        ("import json, httpx, langgraph.graph\nfrom idaas_agent import READS", None),
    ],
)
def test_import_of_own_code_that_no_lock_has_is_a_fault(
    sandbox: Sandbox, tmp_path: Path, line: str, module: str | None
) -> None:
    given = with_own_files(sandbox, tmp_path)
    with (tmp_path / "graphs" / "my_graph.py").open("a") as file:
        file.write(f"\n{line}\n")
    found = carried(configured(given), AGENTRUN).faults
    if module is None:
        assert found == []
        return
    [fault] = found
    assert fault.startswith(
        f'graphs/my_graph.py imports "{module}" of the package {module}, which is not locked'
    )


@pytest.mark.parametrize(
    "group", ["services", "surfaces", "policies", "question_listeners", "question_sources", "variables"]
)
def test_what_an_installed_package_adds_is_a_fault_until_it_is_locked(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    metadata = tmp_path / "installed" / "my_rules-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-rules\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[idaas_agent.{group}]\nrules = my_rules:added\n")
    given = variables(sandbox, tmp_path)
    configuration = configured(given)
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    [fault] = carried(configuration, AGENTRUN).faults
    assert fault.startswith('entry point "rules" is of the package my-rules, which is not locked')


def test_code_that_only_the_repository_has_is_a_fault(sandbox: Sandbox, tmp_path: Path) -> None:
    """The deployed agent is the one package `idaas_agent`."""
    given = with_own_files(sandbox, tmp_path)
    with (tmp_path / "graphs" / "my_graph.py").open("a") as file:
        file.write("from tools.service import Service\nimport sandbox\n")
    (tmp_path / "my.toml").write_text(PAYROLL.replace("tools/payroll.py", "tools.payroll"))
    found = carried(configured(given), AGENTRUN).faults
    assert [fault.partition(":")[0] for fault in found] == [
        "SERVICES_FILE",
        'graphs/my_graph.py imports "sandbox", which the deployed agent does not have',
        'graphs/my_graph.py imports "tools", which the deployed agent does not have',
    ]
    assert found[0].endswith('"tools", which the deployed agent does not have: it has idaas_agent')


SUMS = """permit (principal, action, resource);
@sum("days") forbid (principal, action == Action::"leave.leave_apply", resource)
when { context.today.sum.greaterThan(decimal("20.0")) };
// end
"""


def test_deployment_that_would_not_start_is_not_written(sandbox: Sandbox, tmp_path: Path) -> None:
    given = with_own_files(sandbox, tmp_path)
    (tmp_path / "rules.cedar").write_text(SUMS)
    here = given | {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/here.db"}
    [fault] = carried(configured(here), AGENTRUN).faults
    assert fault.startswith("the agent would not start there: ")
    assert "context.today needs CONVERSATIONS_URL" in fault
    of_role = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
    there = {f"ALIBABA_CLOUD_{name}": "" for name in of_role}
    database = configured(here, CONVERSATIONS_URL="sqlite:////srv/agent.db", **there)
    assert carried(database, TREE).faults == []
    with pytest.raises(PackagingError, match=r"would not start there: .*today"):
        package_tree(configured(here, **there), tmp_path / "own")
    assert not (tmp_path / "own").exists()
    (tmp_path / "rules.cedar").write_text("permit (principal, action, resource);\n// end\n")
    (tmp_path / "graphs" / "my_graph.py").write_text("def build(parts): ...\n")
    [fault] = carried(configured(here), AGENTRUN).faults
    assert fault.startswith("the agent would not start there: GRAPH cannot be used")


def test_variable_that_is_set_for_the_deployment_alone_is_tried(sandbox: Sandbox, tmp_path: Path) -> None:
    [fault] = carried(configured(with_own_files(sandbox, tmp_path), MAX_RUNS="many"), AGENTRUN).faults
    assert fault.startswith("the agent would not start there: MAX_RUNS must be")


def test_own_packages_are_installed_by_their_hashes(tmp_path: Path) -> None:
    wheel = tmp_path / "my_tools-1.0-py3-none-any.whl"
    record = {
        "my_tools.py": b"value = 1\n",
        "my_tools-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: my-tools\nVersion: 1.0\n",
        "my_tools-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "my_tools-1.0.dist-info/RECORD": b"my_tools-1.0.dist-info/RECORD,,\n",
    }
    write_zip(wheel, record)
    lock = tmp_path / "own.lock"
    lock.write_text(f"./{wheel.name} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    install_dependencies([lock], tmp_path / "python", python="3.12", wheels=tmp_path)
    assert (tmp_path / "python" / "my_tools.py").read_text() == "value = 1\n"
    wheel.write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(PackagingError):
        install_dependencies([lock], tmp_path / "other", python="3.12", wheels=tmp_path)


def test_tree_has_own_files_and_their_variables_and_replaces_an_earlier_one(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    given, folder = with_own_files(sandbox, tmp_path), tmp_path / "own"
    keys = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN")
    configuration = configured(given, **dict.fromkeys(keys, ""))
    for _ in range(2):
        package_tree(configuration, folder)
        found = dict(line.split("=", 1) for line in (folder / "agent.env").read_text().splitlines())
        assert found["SERVICES_FILE"] == "/opt/idaas-agent/own/services.toml"
        assert found.keys().isdisjoint({"AGENT_HOST", "CLOUD_IDAAS_CONFIG_PATH", *keys})
        assert (folder / "tools" / "payroll.py").is_file()
    uri = {"ALIBABA_CLOUD_CREDENTIALS_URI": "http://localhost:9/sesame"}
    with pytest.raises(PackagingError, match=r"^ALIBABA_CLOUD_CREDENTIALS_URI contains a secret"):
        package_tree(configured(given | uri, **dict.fromkeys(keys, "")), folder)
    with pytest.raises(PackagingError, match="is not of an earlier call"):
        package_tree(configuration, tmp_path / "tools")


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    files = {"b": b"2", "a": b"1"}
    write_zip(tmp_path / "one.zip", files)
    write_zip(tmp_path / "two.zip", dict(sorted(files.items())))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_method_that_needs_a_secret_is_refused_before_anything_is_installed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    given = variables(sandbox, tmp_path, method="CLIENT_SECRET_POST")
    with pytest.raises(PackagingError, match="CLIENT_SECRET_POST needs a secret"):
        package_agentrun(
            configured(given),
            AgentRunOptions(),
            tmp_path / "out",
            source=ROOT,
            install=lambda _: pytest.fail("installed"),
        )
    assert not (tmp_path / "out").exists()


def test_every_fault_of_the_options_is_reported(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(PackagingError) as caught:
        built(sandbox, tmp_path, region="mars", name="1")
    assert len(caught.value.faults) == 2


def test_start_with_another_python_ends_with_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    package = built(sandbox, tmp_path, python="3.10")
    with zipfile.ZipFile(package / "code.zip") as archive:
        archive.extractall(tmp_path / "code")
    started = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path / "code", capture_output=True, text=True, check=False
    )
    assert started.returncode == 1
    assert started.stderr.startswith("this package has dependencies for Python 3.10")
    assert len(started.stderr.splitlines()) == 1


# The enterprise service -------------------------------------------------------------------------


def function(sandbox: Sandbox, folder: Path) -> Path:
    settings = read_settings(sandbox.environment)
    jwks = sandbox.cloud.jwks()
    package_enterprise_service(settings, jwks, FunctionOptions(), folder, source=FUNCTION, install=install)
    return folder


def test_trigger_of_the_function_has_the_current_keys(sandbox: Sandbox, tmp_path: Path) -> None:
    package = function(sandbox, tmp_path / "out")
    document = yaml.safe_load((package / "s.yaml").read_text())
    keys = deployed_jwks(document)["keys"]
    assert [key["kid"] for key in keys] == [key["kid"] for key in sandbox.cloud.jwks()["keys"]]
    assert {"app.py", "jwks.json", "python/two.py"} <= names(package)
    environment = document["resources"]["service"]["props"]["environmentVariables"]
    assert environment["SERVICE_AUDIENCE"] == "https://enterprise.sandbox.example"
    assert environment["SERVICE_PERMISSION"] == "service.invoke"


def test_trigger_has_only_public_rsa_keys_for_signatures() -> None:
    key = {"kty": "RSA", "kid": "1", "n": "n", "e": "AQAB", "d": "private"}
    others = [{"kty": "EC", "kid": "2"}, {"kty": "RSA", "use": "enc"}, "text"]
    (found,) = trigger_jwks({"keys": [key, *others]})["keys"]
    assert found == {"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "e": "AQAB", "n": "n"}
    with pytest.raises(PackagingError):
        trigger_jwks({"keys": others})


def run(sandbox: Sandbox, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), env=sandbox.environment)
    return result.exit_code, result.output


def test_command_writes_the_tree_when_all_is_decided(sandbox: Sandbox, tmp_path: Path) -> None:
    file, folder = tmp_path / "agent.env", tmp_path / "own"
    given = {
        name: value for name, value in with_own_files(sandbox, tmp_path).items() if "ALIBABA" not in name
    }
    file.write_text("".join(f"{name}='{value}'\n" for name, value in given.items()))  # a key has many lines
    command = ["package", "tree", "--env-file", str(file), "--out", str(folder)]
    status, output = run(sandbox, *command)
    assert (status, folder.exists()) == (1, False)
    assert "REDIS_URL contains a secret: --set REDIS_URL=VALUE" in output
    assert "sesame" not in output
    status, output = run(sandbox, *command, *(f"--set={name}={value}" for name, value in NOT_THERE.items()))
    assert status == 0
    assert "SERVICES_FILE=/opt/idaas-agent/own/services.toml" in (folder / "agent.env").read_text()


def test_tree_of_the_wheel_is_written_to_the_working_folder_and_what_is_next_is_there(tmp_path: Path) -> None:
    repository = Path(__file__).parents[3]
    assert tree_folder(repository) == repository / "deploy" / "container" / "own"
    assert next_of_tree(repository, Path("own")).startswith("docker build")
    wheel = tmp_path / "site-packages" / "idaas_agent"
    assert tree_folder(wheel) == Path("own")
    assert next_of_tree(wheel, Path("own")).startswith("COPY own /opt/idaas-agent/own in the Dockerfile")


def test_role_headers_are_refused_where_the_agent_serves_and_not_where_it_is_packaged(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    file, folder = tmp_path / "agent.env", tmp_path / "own"
    given = {name: value for name, value in variables(sandbox, tmp_path).items() if "ALIBABA" not in name}
    given["FC_CREDENTIALS_FROM_HEADERS"] = "true"
    file.write_text("".join(f"{name}='{value}'\n" for name, value in given.items()))
    decided = (f"--set={name}={value}" for name, value in NOT_THERE.items())
    result = CliRunner().invoke(
        app, ["package", "tree", "--env-file", str(file), "--out", str(folder), *decided]
    )
    assert result.exit_code == 0, result.output
    assert "FC_CREDENTIALS_FROM_HEADERS=true" in (folder / "agent.env").read_text()
    served = CliRunner().invoke(app, ["serve", "--env-file", str(file)])
    assert served.exit_code == 1
    assert "FC_CREDENTIALS_FROM_HEADERS must not be true outside of Function Compute" in served.output


def env_file(sandbox: Sandbox, folder: Path, **changes: str) -> str:
    """A file of an operator's variables, with one service less to decide about."""
    given = {name: value for name, value in with_own_files(sandbox, folder).items() if "ALIBABA" not in name}
    given = {name: value for name, value in (given | changes).items() if value}
    (folder / "agent.env").write_text("".join(f"{name}='{value}'\n" for name, value in given.items()))
    return str(folder / "agent.env")


def packaged(file: str, folder: Path, **there: str) -> tuple[int, str]:
    """`package tree`, with what an operator decides and `there`."""
    decided = (f"--set={name}={value}" for name, value in (NOT_THERE | there).items())
    command = ["package", "tree", "--env-file", file, "--out", str(folder / "own"), *decided]
    result = CliRunner().invoke(app, command)
    return result.exit_code, result.output


def test_variables_that_are_set_for_the_deployment_alone_need_no_value_here(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    file = env_file(sandbox, tmp_path, AGENT_AUDIENCE="", GRAPH="")
    (tmp_path / "graphs" / "other.py").write_text(GRAPH)
    status, output = packaged(file, tmp_path)
    assert (status, "AGENT_AUDIENCE must be set" in output) == (1, True)
    there = {"AGENT_AUDIENCE": "https://agent.example", "GRAPH": "graphs/other.py:build"}
    assert packaged(file, tmp_path, **there)[0] == 0
    written = (tmp_path / "own" / "agent.env").read_text()
    assert "AGENT_AUDIENCE=https://agent.example\n" in written
    assert "GRAPH=/opt/idaas-agent/own/graphs/other.py:build\n" in written
    assert (tmp_path / "own" / "graphs" / "other.py").is_file()


def test_file_that_only_the_deployed_machine_has_counts_as_set(sandbox: Sandbox, tmp_path: Path) -> None:
    key = "/run/secrets/model-key"
    file = env_file(sandbox, tmp_path, LLM_API_KEY_IDENTIFIER="", LLM_API_KEY_FILE=key)
    status, output = packaged(file, tmp_path)
    assert status == 1
    assert "LLM_API_KEY_FILE names a file of this machine: --set LLM_API_KEY_FILE=VALUE" in output
    assert packaged(file, tmp_path, LLM_API_KEY_FILE=key)[0] == 0
    assert f"LLM_API_KEY_FILE={key}\n" in (tmp_path / "own" / "agent.env").read_text()
    (tmp_path / "other").mkdir()
    file = env_file(sandbox, tmp_path / "other")
    assert packaged(file, tmp_path, LLM_API_KEY_FILE=key, LLM_API_KEY_IDENTIFIER="")[0] == 0
    (tmp_path / "required").mkdir()
    file = env_file(sandbox, tmp_path / "required", AUDIT_REQUIRED="true", AUDIT_LOG_FILE="")
    assert packaged(file, tmp_path, AUDIT_LOG_FILE="/mnt/audit/audit.jsonl")[0] == 0
    status, output = packaged(file, tmp_path)
    assert (status, "AUDIT_LOG_FILE must be set if AUDIT_REQUIRED is true" in output) == (1, True)


def test_page_of_the_package_has_the_addresses_of_the_deployment(sandbox: Sandbox, tmp_path: Path) -> None:
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    info = "tiny-1.0.dist-info"
    about = {"METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"}
    about |= {"WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "RECORD": b""}
    write_zip(wheel, {"tiny.py": b""} | {f"{info}/{name}": content for name, content in about.items()})
    lock = tmp_path / "tiny.lock"
    lock.write_text(f"./{wheel.name} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    given = {name: value for name, value in variables(sandbox, tmp_path).items() if "ALIBABA" not in name}
    file = tmp_path / "agent.env"
    file.write_text("".join(f"{name}='{value}'\n" for name, value in given.items()))
    there = {"AGENT_PUBLIC_URL": "https://agent.example", "AGENT_AUDIENCE": "https://deployed.example"}
    decided = (f"--set={name}={value}" for name, value in (NOT_THERE | there).items())
    places = ("--out", str(tmp_path / "out"), "--lock", str(lock), "--wheels", str(tmp_path))
    result = CliRunner().invoke(app, ["package", "agentrun", "--env-file", str(file), *places, *decided])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "config.js").read_text()
    assert '"API_URL": "https://agent.example"' in page
    assert f'"SCOPE": "https://deployed.example|{given["AGENT_SCOPE"]}"' in page


def test_trigger_jwks_prints_the_keys_of_the_trigger(sandbox: Sandbox) -> None:
    status, output = run(sandbox, "trigger-jwks")
    assert status == 0
    assert json.loads(output) == trigger_jwks(sandbox.cloud.jwks())


def test_trigger_jwks_reports_a_rotated_key(sandbox: Sandbox, tmp_path: Path) -> None:
    deployed = str(function(sandbox, tmp_path / "out") / "s.yaml")
    status, output = run(sandbox, "trigger-jwks", "--deployed", deployed)
    assert (status, "the deployed keys are IDaaS's present ones" in output) == (0, True)
    before, after = sandbox.cloud.keys.current.kid, None
    sandbox.cloud.keys.rotate(overlap=False)
    after = sandbox.cloud.keys.current.kid
    status, output = run(sandbox, "trigger-jwks", "--deployed", deployed)
    assert status == 1
    assert f"missing in the trigger: {after}" in output
    assert f"no longer IDaaS's: {before}" in output


@pytest.mark.parametrize("content", ["", "a: [", "resources: {}", "resources: {service: 1}"])
def test_trigger_jwks_refuses_a_file_without_a_trigger(
    sandbox: Sandbox, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(content)
    status, output = run(sandbox, "trigger-jwks", "--deployed", str(file))
    assert status == 1
    assert "Traceback" not in output


def test_keys_are_fetched_from_their_own_address_without_a_configuration(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    variables = {name: sandbox.environment[name] for name in (AUTHORITIES, "JWKS_ENDPOINT")}
    assert typed("trigger-jwks", tmp_path, variables)[0] == 0


APP = """
from idaas_agent import Identity, IdentityContext


async def graph(identity: Identity):
    tools = await identity.tools("services.toml")
    node = identity.tool_node(tools, policy="policies.toml", other="../secrets.toml")
"""


def with_app_graph(sandbox: Sandbox, folder: Path, module: str = "my_app.py") -> dict[str, str]:
    """Variables of an application's graph, with files beside it and one that it must not take along."""
    (folder / "app").mkdir()
    (folder / "secrets.toml").write_text("no = 1")
    for name in ("services.toml", "policies.toml"):
        (folder / "app" / name).write_text(f"# {name}\n")
    (folder / "app" / "my_app.py").write_text(APP)
    (folder / "own.toml").write_text("")
    return variables(sandbox, folder) | {
        "SERVICES_FILE": str(folder / "own.toml"),
        "GRAPH": f"app/{module}:graph",
    }


def test_module_of_an_applications_graph_goes_along_with_the_files_that_it_names(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    found = carried(configured(with_app_graph(sandbox, tmp_path)), AGENTRUN)
    assert found.faults == []
    named = {name for name in found.files if name.startswith("app/")}
    assert named == {"app/my_app.py", "app/services.toml", "app/policies.toml"}
    assert not any("secrets" in name for name in found.files)
    assert found.variables["GRAPH"] == "/code/own/app/my_app.py:graph"


def test_module_of_an_applications_graph_that_is_named_without_its_file_is_a_fault_with_the_remedy(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_local_app.py").write_text(APP)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own.toml").write_text("")
    given = variables(sandbox, tmp_path) | {
        "SERVICES_FILE": str(tmp_path / "own.toml"),
        "GRAPH": "my_local_app:graph",
    }
    [fault] = carried(configured(given), AGENTRUN).faults
    assert fault == "GRAPH must name the file, which goes along then: GRAPH=my_local_app.py:graph"
