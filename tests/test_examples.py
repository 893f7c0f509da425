"""The examples run: `examples/my_agent` as `idaas-agent new` copies it, and the others where they are."""

import asyncio
import base64
import hashlib
import hmac
import importlib
import itertools
import json
import os
import re
import shlex
import shutil
import sys
import time
import tomllib
from pathlib import Path

import httpx
import pytest
import yaml
from langchain_core.messages import HumanMessage
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner

from agent.api.app import create_app
from agent.commands.command_line import app
from agent.composition.agent import Agent
from agent.runs.run import whole_run
from agent.settings.settings import read_settings
from identity.principal import Principal
from identity.secrets.secret import Secret
from identity.settings.env_file import read_env_file
from sandbox.commands.new import installed_wheel
from sandbox.server.server import SandboxOptions, start_sandbox
from tests.forked import run
from tests.leave_application import FIRST_DAY
from tests.loopback import NO_TLS
from tests.running_agent import LEAVE
from tests.tools.mcp_service.mcp_server import Server

EXAMPLES = Path(__file__).parent.parent / "examples"
SANDBOX, REPORTS = "https://localhost:9445", "https://reports.example.com"
SEARCH = "https://search.example.com"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The folder of a new project."""
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(app, ["new", "my-payroll"])
    assert made.exit_code == 0, made.output
    return tmp_path / "my-payroll"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The sandbox as `idaas-agent up` starts it, with what the examples add to it."""
    folder = tmp_path_factory.mktemp("cloud")
    config = folder / "sandbox.toml"
    added = [
        (EXAMPLES / name / "sandbox.toml").read_text() for name in ("my_agent", "policy", "published_toolkit")
    ]
    config.write_text("\n".join(added))
    ports = dict.fromkeys(("idaas_port", "idaas_plain_port", "model_studio_port", "function_compute_port"), 0)
    with start_sandbox(SandboxOptions(folder=folder / ".sandbox", config=config, **ports)) as running:
        yield running


@pytest.fixture
def asked(running, monkeypatch, tmp_path):
    """`await asked(folder, questions…)`: the answers to alice, or `user`, of the agent with the services in
    the folder of an example. `reports` is the address of the reports server.
    """

    async def ask(
        folder, *questions, user="alice", reports="https://127.0.0.1:1", search=SEARCH, **variables
    ):
        monkeypatch.chdir(folder)
        text = (folder / "services.toml").read_text()
        text = text.replace(SANDBOX, running.cloud.addresses.function_compute).replace(REPORTS, reports)
        text = text.replace(SEARCH, search)
        (tmp_path / "here").mkdir(exist_ok=True)
        for code in folder.glob("*.py"):
            shutil.copy(code, tmp_path / "here")
        (tmp_path / "here" / "services.toml").write_text(text)
        given = variables | {"SERVICES_FILE": str(tmp_path / "here" / "services.toml")}
        given["ACCEPTED_TOOLS_FILE"] = str(tmp_path / "accepted")
        agent = Agent(read_settings(running.environment | given))
        try:
            caller = await agent.verifier.verify(Secret(running.cloud.user_token(user)))
            return [
                (await whole_run(agent.runs.start([HumanMessage(text)], caller, streaming=False))).end.text
                for text in questions
            ]
        finally:
            await agent.aclose()

    return ask


@pytest.fixture
async def reports(serve):
    """The address of the company's MCP server, and the claims of the tokens that it receives."""
    server, claims = Server(), []

    async def with_token(scope, receive, send):
        if scope["type"] == "http":
            given = dict(scope["headers"])
            payload = given.pop(b"authorization").removeprefix(b"Bearer ").split(b".")[1]
            claims.append(json.loads(base64.urlsafe_b64decode(payload + b"==")))
            scope = {**scope, "headers": [*given.items(), (b"authorization", b"Bearer K1")]}
        await server(scope, receive, send)

    return await serve(with_token), claims


def test_each_example_is_listed_and_has_a_readme_of_one_screen_that_names_its_files():
    folders = sorted(folder for folder in EXAMPLES.iterdir() if folder.is_dir())
    listed = re.findall(r"^\| \[(\w+)\]\(\1/\)", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [folder.name for folder in folders]
    for folder in folders:
        readme = (folder / "README.md").read_text()
        assert len(readme.splitlines()) <= 40, folder.name
        kept = [path.name for path in folder.iterdir() if path.suffix in (".py", ".jsx", ".cedar")]
        assert [name for name in kept if f"`{name}`" not in readme] == [], folder.name


def test_new_project_passes_its_tests_and_none_is_made_twice(project):
    names = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert names >= {"test_my_payroll.py", ".github/workflows/test.yml", "Dockerfile", "sandbox.toml"}
    kustomization = yaml.safe_load((project / "deploy" / "kustomization.yaml").read_text())
    assert {f"deploy/{name}" for name in kustomization["resources"]} <= names
    assert kustomization["images"][0]["name"] == "my-payroll"
    deployment = (project / "deploy" / "deployment.yaml").read_text()
    assert (deployment.count("my-payroll") > 0, "idaas-agent" in deployment) == (True, False)
    texts = "".join(path.read_text() for path in project.rglob("*") if path.is_file())
    assert "my-agent" not in texts
    assert "my_agent" not in texts
    for name in ("README.md", "Dockerfile", ".github/workflows/test.yml"):
        assert "--require-hashes -r requirements.lock" in (project / name).read_text(), name
    for name in ("README.md", ".github/workflows/test.yml"):
        text = (project / name).read_text()
        assert "pip install --require-hashes -r requirements-test.lock" in text, name
        assert "install pytest" not in text, name
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    status, passed = run(tests, os.environ, project)
    assert (status, "4 passed" in passed) == (0, True), passed
    again = CliRunner().invoke(app, ["new", "my-payroll"])
    assert (again.exit_code, CliRunner().invoke(app, ["new", "../x"]).exit_code) == (1, 1)


def printed_commands() -> list[tuple[str, str]]:
    """The commands of the examples that end, and need no cloud, each with the folder where it is printed."""
    kinds = ("pytest", "idaas-agent policy", "idaas-agent eval")
    return [
        (readme.parent.name, line.partition("#")[0].strip())
        for readme in sorted(EXAMPLES.glob("*/README.md"))
        for block in re.findall(r"```sh\n(.*?)```", readme.read_text(), re.DOTALL)
        for line in block.splitlines()
        if line.startswith(kinds)
    ]


@pytest.mark.parametrize(("example", "command"), printed_commands())
def test_command_of_an_example_succeeds_in_its_folder_also_beside_a_certificate_file_that_is_missing(
    example, command
):
    program, *arguments = shlex.split(command)
    started = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    if program == "idaas-agent":
        started = [str(Path(sys.executable).with_name("idaas-agent"))]
    shell = os.environ | {"SSL_CERT_FILE": "/nonexistent.pem"}
    status, said = run([*started, *arguments], shell, EXAMPLES / example)
    assert status == 0, said
    assert "skipped" not in said


def test_each_kind_of_command_is_printed_by_an_example():
    examples = {(example, command.split()[0]) for example, command in printed_commands()}
    tested = {(test.parent.name, "pytest") for test in EXAMPLES.glob("*/test_*.py")}
    decided = {(cases.parent.name, "idaas-agent") for cases in EXAMPLES.glob("*/policy.cases.toml")}
    assert examples >= tested | decided


def test_packages_for_the_test_of_a_new_project_are_those_of_the_projects_own_tests():
    def pinned(lock):
        return re.findall(r"^[a-z].*(?:\n    .+)+", lock.read_text(), re.MULTILINE)

    of_project = pinned(EXAMPLES / "my_agent" / "requirements-test.lock")
    assert {"pytest", "pluggy"} <= {entry.partition("==")[0] for entry in of_project}
    assert set(of_project) <= set(pinned(EXAMPLES.parent / "requirements-dev.lock"))


def test_new_project_has_the_wheel_that_was_installed_if_the_lock_file_beside_it_has_its_hash(tmp_path):
    wheel, lock = tmp_path / "idaas_agent-0.1.0-py3-none-any.whl", tmp_path / "requirements.lock"
    wheel.write_bytes(b"a wheel")
    noted = json.dumps({"url": wheel.as_uri()})
    assert installed_wheel(noted) == []
    lock.write_text(f"./{wheel.name} --hash=sha256:{hashlib.sha256(b'a wheel').hexdigest()}\n")
    assert installed_wheel(noted) == [wheel, lock]
    wheel.write_bytes(b"another")
    assert installed_wheel(noted) == []
    assert installed_wheel(json.dumps({"url": tmp_path.as_uri(), "dir_info": {"editable": True}})) == []
    assert installed_wheel("{}") == []


def test_langgraph_server_runs_the_wheel_as_it_runs_the_repository():
    ours = (EXAMPLES.parent / "langgraph.json").read_text().replace("./agent/", "idaas_agent/agent/")
    moved = re.sub(
        r"idaas_agent/[\w/]+\.py", lambda path: path[0].removesuffix(".py").replace("/", "."), ours
    )
    of_project = json.loads((EXAMPLES / "my_agent" / "langgraph.json").read_text())
    assert of_project | {"python_version": "3.11"} == json.loads(moved)


async def test_new_project_answers_in_the_sandbox_by_its_tool_and_its_graph(project, asked):
    questions = 'call payslip with {"month": "2026-10"}', "What is the salary of Bob?"
    answers = await asked(project, *questions, **read_env_file(project / "dev.env"))
    assert "/echo/payroll/payslips/2026-10" in answers[0]
    assert "payroll.read" in answers[0]
    assert answers[1] == "I only speak about your own salary."


async def test_human_tool_calls_as_the_user_and_not_at_all_for_one_without_the_right(asked):
    folder, question = EXAMPLES / "human_tool", 'call payslip with {"month": "2026-10"}'
    given, more = (
        tomllib.loads((EXAMPLES / name / "sandbox.toml").read_text()) for name in ("human_tool", "my_agent")
    )
    assert set(given["services"]["payroll"]["permissions"]) <= set(more["services"]["payroll"]["permissions"])
    assert [each for each in given["grants"] if each not in more["grants"]] == []
    [answer] = await asked(folder, question)
    assert "user_alice01" in answer
    [refused] = await asked(folder, question, user="bob")
    assert "/echo/payroll" not in refused
    assert "token_exchange_failed" in refused or "permission" in refused.lower(), refused


@pytest.mark.parametrize(
    ("example", "question"),
    [
        ("mcp_on_behalf_of", 'call weather with {"city": "Hangzhou"}'),
        ("published_toolkit", 'call report with {"city": "Hangzhou"}'),
    ],
)
async def test_mcp_server_gets_tokens_of_the_user_that_are_for_it_alone(asked, reports, example, question):
    address, claims = reports
    [answer] = await asked(EXAMPLES / example, question, reports=address)
    assert "sunny in Hangzhou" in answer
    assert {(each["sub"], each["aud"], each["scope"]) for each in claims} == {
        ("user_alice01", "https://reports.sandbox.example", "reports.read")
    }


async def test_published_toolkit_gets_the_key_as_the_user_and_no_one_sees_it(asked, running, serve, tmp_path):
    keys, audit = [], tmp_path / "audit.jsonl"

    async def search(request):
        keys.append(key := request.headers["authorization"].removeprefix("Bearer "))
        return JSONResponse({"results": [{"content": f"the plan, for {key}"}]})

    address = await serve(Starlette(routes=[Route("/search", search, methods=["POST"])]))
    given = {"search": address, "AUDIT_LOG_FILE": str(audit)}
    folder, question = EXAMPLES / "published_toolkit", 'call company_search with {"query": "plan"}'
    [answer] = await asked(folder, question, **given)
    assert "the plan, for **redacted**" in answer
    [refused] = await asked(folder, question, user="bob", **given)
    assert "the plan" not in refused
    assert keys == [running.cloud.vault.find("search_api_key").api_key]
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    [lent] = [each for each in lines if each["event"] == "credential_lent"]
    assert (lent["principal"]["sub"], lent["credential"]) == ("user_alice01", "search_api_key")
    assert keys[0] not in audit.read_text() + answer


def test_cases_of_the_policy_hold_and_one_fails_when_the_rules_change(running, tmp_path, monkeypatch):
    folder = shutil.copytree(EXAMPLES / "policy", tmp_path / "policy")
    monkeypatch.chdir(folder)
    command = ["policy", "test", "--env-file", "agent.env"]
    unchanged = CliRunner().invoke(app, command, env=running.environment)
    assert unchanged.exit_code == 0, unchanged.output
    rules = folder / "policy.cedar"
    rules.write_text(rules.read_text().replace("5000.0", "50000.0"))
    changed = CliRunner().invoke(app, command, env=running.environment)
    assert (changed.exit_code, "a large expense asks finance" in changed.output) == (1, True)


async def test_company_shows_rules_and_instructions_of_groups_and_the_age_of_a_sign_in(asked):
    folder = EXAMPLES / "policy"
    questions = 'call pay_out with {"expense": "E-1"}', "What are your instructions?"
    variables = read_env_file(folder / "agent.env")
    [denied, common] = await asked(folder, *questions, user="alice", **variables)
    assert "/echo/expenses" not in denied
    assert "You speak with Alice" in common
    assert "two decimals" not in common
    [paid, of_finance] = await asked(folder, *questions, user="dan", **variables)
    assert "/echo/expenses/paid" in paid
    assert "two decimals" in of_finance


def test_cases_of_the_handbook_hold(monkeypatch):
    monkeypatch.chdir(EXAMPLES / "handbook")
    done = CliRunner().invoke(app, ["policy", "test", "--env-file", "agent.env"])
    assert done.exit_code == 0, done.output


def test_page_of_the_front_end_is_the_one_that_the_tests_of_front_ends_use():
    bundle = EXAMPLES.parent / "tests" / "front_ends" / "langgraph" / "bundle.mjs"
    assert "examples/front_end/page.jsx" in bundle.read_text()


class ChatService:
    """DingTalk, as the bot's channel sees it: sends signed messages, and receives replies."""

    def __init__(self, http, bot):
        self.http, self.bot, self.replies = http, bot, asyncio.Queue()
        self.numbers = itertools.count()

    async def received(self, request):
        await self.replies.put((request.query_params["to"], (await request.json())["text"]["content"]))
        return Response()

    async def send(self, person, text, secret="robot", alone=True, **members):
        number = next(self.numbers)
        timestamp = str(round(time.time() * 1000) + number)
        sign = hmac.digest(secret.encode(), f"{timestamp}\n{secret}".encode(), "sha256")
        headers = {"timestamp": timestamp, "sign": base64.b64encode(sign).decode()}
        body = {"msgId": f"m{number}", "senderStaffId": person, "text": {"content": text}}
        body |= {"conversationType": "1" if alone else "2", **members}
        return await self.http.post(f"{self.bot}/chat", json=body, headers=headers)

    async def say(self, person, text, **members):
        return (await self.send(person, text, **members)).json()["text"]["content"]


@pytest.fixture
async def chat(sandbox, serve, tmp_path, monkeypatch):
    """The bot, an agent under Human identity, and the sandbox: `await chat(turns)`."""
    monkeypatch.syspath_prepend(str(EXAMPLES / "bot"))
    names = ("sign_in", "bot", "channel")
    sign_in_module, bot_module, channel = [importlib.import_module(name) for name in names]
    database = {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db", "ACCESS_IDENTITY": "Human"}
    agent = Agent(read_settings(sandbox.environment | database), clock=sandbox.clock)
    agent_origin = await serve(create_app(agent.settings, agent))
    async with httpx.AsyncClient(verify=NO_TLS, trust_env=False, timeout=60) as http:
        plain = dict(line.split("=", 1) for line in (EXAMPLES / "bot" / "bot.env").read_text().split())
        assert plain.keys() >= {"AGENT_URL", "PAGE_URL", "SCOPE", "TOKENS_FILE"}
        redirect_uri = f"{plain['BOT_URL']}/signed-in"
        sandbox.cloud.directory.add_redirect_uris(plain["CLIENT_ID"], (redirect_uri,))
        client = sign_in_module.Client(
            plain["CLIENT_ID"],
            sandbox.url("/login/app/common/oauth2/authorize", "idaas_plain"),
            sandbox.url("/api/v2/iauths_system/oauth2/token", "idaas_plain"),
            redirect_uri,
            plain["SCOPE"],
        )
        store = sign_in_module.EncryptedFile(tmp_path / "tokens.json", bytes(32))
        sign_in = sign_in_module.SignIn(client, http, store, sandbox.clock)
        bot = bot_module.Bot(agent_origin, "https://page.example/", http, sign_in)
        service = ChatService(http, "")
        replies = await serve(Starlette(routes=[Route("/reply", service.received, methods=["POST"])]))
        served = channel.application(bot, sign_in, http, secret="robot", replies=f"{replies}/reply")
        service.bot, service.reply_to = await serve(served), f"{replies}/reply"
        service.agent, service.store, service.redirect_uri = agent, store, redirect_uri
        yield service


async def open_link(chat, sandbox, message, user="alice"):
    """The code that a browser shows after `user` has signed in with the link of `message`."""
    link = re.search(r"http\S+", message)[0]
    password = getattr(sandbox.cloud.secrets, f"{user}_password")
    page = await chat.http.get(link)
    form = {"csrf": re.search(r'name="csrf" value="([^"]+)"', page.text)[1]}
    form |= {"username": user, "password": password}
    returned = (await chat.http.post(link, data=form)).headers["location"]
    chat.http.cookies.clear()
    assert returned.startswith(chat.redirect_uri)
    shown = await chat.http.get(returned.replace("http://localhost:9010", chat.bot))
    assert (await chat.http.get(returned.replace("http://localhost:9010", chat.bot))).status_code == 400
    return re.search(r"<h1>(\w+)</h1>", shown.text)[1], shown.text


async def test_bot_signs_a_person_in_once_and_asks_the_agent_with_their_own_rights(chat, sandbox, tmp_path):
    code, shown = await open_link(chat, sandbox, await chat.say("<manager>", LEAVE))
    assert "<b>&lt;manager&gt;</b>" in shown
    assert await chat.say("<manager>", code.lower()) == "You are signed in. What may I do for you?"
    assert "employee: alice" in await chat.say("<manager>", LEAVE)
    sandbox.clock.advance(1300)  # the access token has expired: it is refreshed, each refresh token once
    asked = [chat.say("<manager>", LEAVE) for _ in range(2)]
    assert "employee: alice" in "".join(await asyncio.gather(*asked))
    assert "Sign in once" in await chat.say("someone else", LEAVE)
    sandbox.clock.advance(1300)
    assert "employee: alice" in await chat.say("<manager>", LEAVE)

    waits = await chat.say("<manager>", f'call leave_apply with {{"days": 1, "first_day": "{FIRST_DAY}"}}')
    waiting = chat.agent.kept.storage.approvals.pending
    alice = Principal(sandbox.issuer, "user_alice01")
    [approval] = await waiting(alice)
    assert waits.endswith(f"https://page.example/#approval={approval.request.id}")
    for words in ("approve", "yes"):
        assert (await chat.say("<manager>", words)).endswith("https://page.example/")
    assert await waiting(alice) == [approval]

    refresh = chat.store.load("<manager>")
    file, database = tmp_path / "tokens.json", tmp_path / "conversations.db"
    assert refresh.encode() not in file.read_bytes() + database.read_bytes()
    assert "manager" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert await chat.say("<manager>", "sign out") == "You are signed out."
    assert chat.store.load("<manager>") is None


async def test_bot_takes_no_link_of_another_no_forged_message_and_no_group(chat, sandbox):
    for_mallory = await chat.say("mallory", LEAVE)
    code, _ = await open_link(chat, sandbox, for_mallory)  # alice was lured into it
    assert "another person" in await chat.say("alice in chat", code)
    assert "Sign in once" in await chat.say("mallory", code)
    older, newer = await chat.say("bob in chat", LEAVE), await chat.say("bob in chat", LEAVE)
    with pytest.raises(TypeError):  # no code is shown for a link that another one has replaced
        await open_link(chat, sandbox, older, "bob")
    assert "Sign in once" in await chat.say("bob in chat", "ABCDEFGH")
    assert newer != older
    assert (await chat.send("alice", LEAVE, secret="guessed")).status_code == 403
    assert "Write to me alone" in await chat.say("alice", LEAVE, alone=False)
    sent = await chat.send("alice", LEAVE, sessionWebhook=f"{chat.reply_to}?to=alice", msgId="once")
    again = await chat.send("alice", LEAVE, sessionWebhook=f"{chat.reply_to}?to=alice", msgId="once")
    assert (sent.json(), again.json()) == ({}, {})
    to, text = await chat.replies.get()
    assert (to, "Sign in once" in text, chat.replies.empty()) == ("alice", True, True)
    assert "Sign in once" in await chat.say("alice", LEAVE, sessionWebhook="http://169.254.169.254/")

    revoked, _ = await open_link(chat, sandbox, await chat.say("alice", LEAVE))
    await chat.say("alice", revoked)
    sandbox.cloud.directory.disabled.add("user_alice01")
    sandbox.clock.advance(1300)
    assert "Sign in once" in await chat.say("alice", LEAVE)
    assert chat.store.load("alice") is None
