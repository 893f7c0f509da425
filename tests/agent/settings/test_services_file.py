"""SERVICES_FILE: its declarations, and its faults, all at once, by place and without values."""

import json
import ssl
import textwrap
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from agent.composition.extensions import ENTRY_POINTS, services
from agent.settings.declared_services import declared_services
from agent.settings.settings import read_settings
from identity.credentials.placement import Placement
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.principal import AccessIdentity
from tests.tools.conftest import KeyRing
from tools.approval_policy import (
    LISTED_READS,
    UNKNOWN_POLICY,
    ApprovalMode,
    ArgumentRule,
    Effect,
    ToolPolicy,
    Trust,
)
from tools.error_codes import ToolCode
from tools.services_file import ServicesFile, read_services_file

SCHEMA = Path(__file__).parents[3] / "docs" / "services.schema.json"
FILE = """
[services.payroll]
type = "http"
url = "https://payroll.example/api"
access_token = "https://payroll.example|payroll.read"
access_identity = "Human"
python = "payroll.py:service"
timeout_seconds = 3
settings = { currency = "CNY" }

[services.rates]
type = "mcp"
url = "https://rates.example/mcp"
api_key = "rates_api_key"
placement = { header = "X-API-Key" }
tools = ["rate"]
"""


def test_permissions_to_step_up_to_are_those_of_an_access_token(read_declared):
    _, faults = read_declared("""
services.a = { type = "mcp", url = "https://x.example", api_key = "k", step_up = ["write"] }
services.b = { type = "mcp", url = "https://x.example", access_token = "a|b", step_up = ["a|write"] }
services.c = { type = "mcp", url = "https://x.example", access_token = "a|b", step_up = ["write"] }
""")
    assert [fault.split(" ")[1] for fault in faults] == ["services.a", "services.b.step_up.0:"]


async def test_declared_services_have_their_credentials_and_placements(made):
    payroll, rates = made(FILE)
    assert (payroll.name, payroll.access_identity) == ("payroll", AccessIdentity.HUMAN)
    assert payroll.credential == AccessTokenRequirement("https://payroll.example|payroll.read")
    assert (await payroll.call("payslip", {"month": "10"}, KeyRing("K"))).text == "CNY"
    assert rates.credential == ApiKeyRequirement("rates_api_key")
    assert rates.credential.placement == Placement("X-API-Key")
    assert rates.settings == ("services.rates in SERVICES_FILE",)
    for service in (payroll, rates):
        await service.aclose()


POLICIES = """
[services.payroll.policies.payslip]
effect = "write"
rules = [{ argument = "month", operator = "==", value = "2026-01", policy = "deny" }]

[services.rates.policies.rate]
effect = "external"
policy = "deny"
"""


async def test_policies_of_the_file_replace_those_of_the_code_for_both_kinds_of_services(made):
    payroll, rates = made(FILE + POLICIES)
    rule = ArgumentRule("month", "==", "2026-01", ApprovalMode.DENY)
    assert payroll.policy("payslip") == ToolPolicy(Effect.WRITE, None, (rule,))
    assert rates.policy("rate") == ToolPolicy(Effect.EXTERNAL, ApprovalMode.DENY, trust=Trust.UNTRUSTED)
    assert rates.policy("other") == UNKNOWN_POLICY
    for service in (payroll, rates):
        await service.aclose()


BUILT_IN = """
[services.amap]
type = "built-in"
prefix = "amap_"
tools = ["maps_weather"]

[services.amap.policies.maps_weather]
effect = "write"
"""


async def test_built_in_server_takes_a_prefix_tools_and_policies(made_of_variables, sandbox):
    amap, *others = made_of_variables(BUILT_IN)
    access = KeyRing(sandbox.cloud.vault.find("amap_api_key").api_key)
    assert [tool.name for tool in await amap.tools(access)] == ["amap_maps_weather"]
    assert amap.policy("amap_maps_weather") == ToolPolicy(Effect.WRITE, trust=Trust.UNTRUSTED)
    assert amap.settings == ("EXTERNAL_SERVER_URL", "EXTERNAL_SERVER_API_KEY_IDENTIFIER")
    assert [each.name for each in others] == ["enterprise", "leave"]
    for service in (amap, *others):
        await service.aclose()


async def test_tools_of_the_built_in_server_are_declared_as_reading(made_of_variables, sandbox):
    amap, *others = made_of_variables("")
    listed = await amap.tools(KeyRing(sandbox.cloud.vault.find("amap_api_key").api_key))
    assert {amap.policy(tool.name) for tool in listed} == {LISTED_READS}
    assert amap.policy("maps_new_tool") == UNKNOWN_POLICY
    for service in (amap, *others):
        await service.aclose()


def test_policy_of_a_tool_that_does_not_exist_is_a_fault(made, read_declared):
    with pytest.raises(ConfigurationError) as caught:
        made(FILE + POLICIES.replace("payslip", "paysilp"))
    expected = 'SERVICES_FILE: services.payroll.policies: the service has no tool "paysilp"'
    assert caught.value.faults == (expected,)
    _, (fault,) = read_declared(FILE + POLICIES.replace("policies.rate]", "policies.raet]"))
    assert 'must list the tool "raet"' in fault


@pytest.mark.parametrize(
    "policy",
    [
        '{ effect = "read", approvers = "finance" }',
        '{ effect = "write", policy = "allow", approvers = "finance" }',
        '{ effect = "write", approvers = "finance", lasting = { seconds = 60 } }',
        '{ effect = "external", lasting = { seconds = 60, conversation_only = false } }',
    ],
)
def test_policy_with_a_member_that_another_disables_is_a_fault_with_its_place(read_declared, policy):
    declared, (fault,) = read_declared(
        'services.a = { type = "mcp", url = "https://x.example", api_key = "k", policies = { t = '
        f"{policy} }} }}"
    )
    assert declared == {}
    assert fault.startswith("SERVICES_FILE: services.a.policies.t ")


def test_sum_for_a_decision_point_that_is_not_set_is_a_fault(sandbox, tmp_path):
    file = tmp_path / "services.toml"
    file.write_text(
        'services.a = { type = "mcp", url = "https://x.example", api_key = "k", policies = { t = '
        '{ effect = "write", sum = "amount" } } }'
    )
    variables = sandbox.environment | {"SERVICES_FILE": str(file)}
    with pytest.raises(ConfigurationError) as caught:
        read_settings(variables)
    expected = "SERVICES_FILE: services.a.policies.t.sum must not be set without POLICY_URL"
    assert caught.value.faults == (expected,)
    read_settings(variables | {"POLICY_URL": "https://pdp.example/evaluation"})


@pytest.mark.parametrize(
    "member", ['placement = { header = "X-Key" }', 'access_identity = "Human"', "lends_credential = true"]
)
def test_member_about_a_credential_that_is_not_declared_is_a_fault(read_declared, member):
    service = f'services.a = {{ type = "http", url = "https://x.example", python = "a:b", {member}'
    _, (fault,) = read_declared(f"{service} }}")
    assert fault.startswith("SERVICES_FILE: services.a ")
    assert fault.endswith(f"with {member.partition(' ')[0]}")
    assert read_declared(f'{service}, api_key = "k" }}')[1] == []


def test_policy_that_can_be_misread_is_a_fault(read_declared):
    rule = '{ argument = "a", operator = ">", value = 5, policy = "ask" }'
    policies = [
        "{}",
        '{ effect = "writes" }',
        '{ effect = "unknown" }',
        '{ effect = "write", mode = "ask" }',
        *(
            f'{{ effect = "write", rules = [{changed}] }}'
            for changed in (
                rule.replace('"ask"', '"allow"'),
                rule.replace('">"', '"=>"'),
                rule.replace("5", "true"),
                rule.replace("5", "nan"),
                rule.replace("5", "[5]"),
                rule.replace('"a"', '"a..b"'),
            )
        ),
    ]
    for policy in policies:
        declared, faults = read_declared(
            'services.a = { type = "mcp", url = "https://x.example", api_key = "k", policies = { t = '
            f"{policy} }} }}"
        )
        assert (declared, bool(faults)) == ({}, True), policy
        assert all("services.a.policies.t" in fault for fault in faults)


def test_every_fault_is_reported_by_its_place_and_without_the_value(read_declared):
    declared, faults = read_declared("""
services.amap = { type = "mcp", url = "https://x.example", api_key = "k" }
services.a = { type = "mcp", url = "http://canary.example" }
services.b = { type = "http", url = "https://x.example", pyhton = "canary:x" }
services.c = { type = "http", url = "https://x.example", python = "canary" }
services.d = { type = "soap" }
services.e = { type = "mcp", url = "https://x.example", api_key = "k", placement = { header = "Host" } }
services.f = { type = "mcp", url = "https://x.example", api_key = "k", access_token = "a|b", tools = [1] }
services.g = { type = "mcp", url = "https://x.example", api_key = "k", placement = { headers = "x" } }
services.h = { type = "built-in" }
services.i = { type = "mcp", url = "https://x.example", api_key = "k", prefix = "maps." }
other = 1
""")
    assert declared == {}
    places = (
        'services.amap.type must be "built-in"', "services.h.type must not be", "services.i.prefix",
        "services.a.url", "services.b.python must be set", "services.b.pyhton is unknown",
        "services.c.python", "services.d.type", "services.e.placement", "services.f.tools.0",
        "services.g.placement.headers is unknown", "other is unknown",
    )  # fmt: skip
    assert [place for place in places if not any(place in fault for fault in faults)] == []
    assert "canary" not in "".join(faults)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"x = ", "must be TOML"), (b"\xff", "is not UTF-8"), (b"#" * 2_000_000, "is larger than")],
)
def test_file_that_cannot_be_read_is_one_fault(tmp_path, text, expected):
    file = tmp_path / "services.toml"
    file.write_bytes(text)
    _, (fault,) = read_services_file(file)
    assert expected in fault


def test_two_credentials_and_none_for_mcp_are_faults(read_declared):
    _, faults = read_declared("""
services.a = { type = "mcp", url = "https://x.example" }
services.b = { type = "mcp", url = "https://x.example", api_key = "k", access_token = "a|b" }
""")
    found = [fault.partition("found ")[2] for fault in faults]
    assert found == ["none", "access_token and api_key"]


def test_faults_of_the_file_and_of_the_variables_are_reported_together(sandbox, tmp_path):
    file = tmp_path / "services.toml"
    file.write_text("other = 1")
    with pytest.raises(ConfigurationError) as caught:
        read_settings(sandbox.environment | {"SERVICES_FILE": str(file), "MAX_RUNS": "many"})
    assert [fault.split()[0] for fault in caught.value.faults] == ["MAX_RUNS", "SERVICES_FILE:"]
    with pytest.raises(ConfigurationError) as caught:
        read_settings(sandbox.environment | {"SERVICES_FILE": str(tmp_path / "none")})
    assert len(caught.value.faults) == 1


def test_all_code_that_cannot_be_loaded_is_reported(made, tmp_path):
    (tmp_path / "broken.py").write_text("raise RuntimeError('canary')")
    entry = EntryPoint("travel", "no_such_package:service", ENTRY_POINTS)
    broken = FILE.replace("payroll.py:service", "broken.py:service")
    more = '\n[services.c]\ntype = "http"\nurl = "https://x.example"\npython = "payroll.py:other"\n'
    with pytest.raises(ConfigurationError) as caught:
        made(broken + more, [entry])
    assert [fault.partition(" cannot")[0] for fault in caught.value.faults] == [
        "SERVICES_FILE: services.payroll.python",
        "SERVICES_FILE: services.c.python",
        'entry point "travel"',
    ]
    assert "RuntimeError at broken.py:1" in str(caught.value.faults)
    assert "canary" not in str(caught.value.faults)


def test_text_of_an_exception_is_shown_if_it_is_about_names_alone(made, tmp_path):
    code = """
        def absent(payroll, settings):
            settings["canary"]

        def forgotten(payroll, settings):
            @payroll.tool
            async def payslip(month: str):
                "Gets a payslip."

        def unsaid(payroll, settings):
            int("secret")
        """
    (tmp_path / "more.py").write_text(textwrap.dedent(code))
    with pytest.raises(ConfigurationError) as caught:
        made(
            "".join(
                f'[services.{name}]\ntype = "http"\nurl = "https://x.example"\npython = "more.py:{name}"\n'
                for name in ("absent", "forgotten", "unsaid", "missing")
            )
        )
    assert [fault.partition("it raised ")[2] for fault in caught.value.faults] == [
        "KeyError at more.py:3: 'canary'",
        'TypeError at more.py:6: tool "payslip" must take the client before "month": payslip(http, …)',
        "ValueError at more.py:11",
        "AttributeError: module 'more' has no attribute 'missing'",
    ]


def test_faults_of_tables_of_code_and_of_policies_are_reported_by_one_start(sandbox, tmp_path):
    (tmp_path / "p.py").write_text(
        "def service(pay, settings):\n    pass\n\ndef other(pay, settings):\n    settings['currency']\n"
    )
    file = tmp_path / "services.toml"
    file.write_text("""
services.a = { type = "http", url = "https://x.io", pyhton = "p.py:service" }
services.b = { type = "http", url = "https://x.io", python = "p.py:other" }
services.c = { type = "http", url = "https://x.io", python = "p.py:service", policies.t.effect = "read" }
""")
    with pytest.raises(ConfigurationError) as caught:
        read_settings(sandbox.environment | {"SERVICES_FILE": str(file)})
    assert caught.value.faults == (
        "SERVICES_FILE: services.a.python must be set",
        "SERVICES_FILE: services.a.pyhton is unknown",
        "SERVICES_FILE: services.b.python cannot be used: it raised KeyError at p.py:5: 'currency'",
        'SERVICES_FILE: services.c.policies: the service has no tool "t"',
    )


async def test_installed_package_adds_its_service_by_an_entry_point(made, tmp_path, monkeypatch):
    (tmp_path / "my_travel_tools.py").write_text(
        "from tools.http_service.service import HTTPService\n"
        "def service(tls):\n    return HTTPService('travel', 'https://travel.example', ssl_context=tls)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (travel,) = made("", [EntryPoint("travel", "my_travel_tools:service", ENTRY_POINTS)])
    assert travel.name == "travel"
    await travel.aclose()
    with pytest.raises(ConfigurationError, match="settings_invalid") as caught:
        made("", [EntryPoint("travel", "my_travel_tools:service", ENTRY_POINTS)] * 2)
    assert caught.value.faults == ('service "travel" is declared twice',)


@pytest.mark.parametrize("name", ["my.travel", "my/travel"])
def test_name_of_an_installed_service_is_one_word_of_the_names_of_its_tools(
    made, monkeypatch, tmp_path, name
):
    module = f"named_{len(name)}_{'.' in name}"
    (tmp_path / f"{module}.py").write_text(
        "from tools.http_service.service import HTTPService\n"
        f"def service(tls):\n    return HTTPService({name!r}, 'https://travel.example', ssl_context=tls)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        made("", [EntryPoint("travel", f"{module}:service", ENTRY_POINTS)])
    assert caught.value.faults == (f'service "{name}" must have a name without "." and "/"',)


def test_published_schema_is_that_of_the_models():
    published = json.loads(SCHEMA.read_text())
    assert published.pop("$schema") == "https://json-schema.org/draft/2020-12/schema"
    assert published == ServicesFile.model_json_schema(), "run: .venv/bin/python scripts/sync_docs.py"


@pytest.fixture
def variables(sandbox):
    return {name: value for name, value in sandbox.environment.items() if not name.startswith("LEAVE_")}


def test_leave_service_is_declared_if_its_variables_are_set(sandbox):
    leave = declared_services(read_settings(sandbox.environment))[2]
    assert (leave.name, leave.declaration.access_identity) == ("leave", AccessIdentity.HUMAN)


async def test_services_of_the_tutorial_keep_their_error_codes(variables):
    amap, enterprise = services(read_settings(variables), ssl.create_default_context(), installed=())
    assert (amap.name, enterprise.name) == ("amap", "enterprise")
    assert (amap.error_code, enterprise.error_code) == (
        ToolCode.EXTERNAL_SERVICE_FAILED,
        ToolCode.ENTERPRISE_SERVICE_FAILED,
    )
    assert isinstance(amap.credential, ApiKeyRequirement)
    assert amap.credential.error_code is ToolCode.EXTERNAL_API_KEY_UNAVAILABLE
    assert enterprise.credential == AccessTokenRequirement(variables["ENTERPRISE_SERVICE_SCOPE"])
    for service in (amap, enterprise):
        await service.aclose()


def test_service_of_the_file_has_the_codes_of_added_services_and_names_its_entry(sandbox, tmp_path):
    file = tmp_path / "services.toml"
    file.write_text('services.maps = { type = "mcp", url = "https://maps.example/mcp", api_key = "k" }')
    declared = declared_services(read_settings(sandbox.environment | {"SERVICES_FILE": str(file)}))[-1]
    assert (declared.name, declared.settings) == ("maps", ("services.maps in SERVICES_FILE",))
    assert (declared.error_code, declared.key_error_code) == (
        ToolCode.SERVICE_FAILED,
        IdentityCode.SERVICE_KEY_UNAVAILABLE,
    )


TITLES = """
[services.payroll.titles.payslip]
title = { en = "Payslip", zh = "工资单" }
arguments.month = { zh = "月份" }
"""


async def test_titles_are_declared_beside_the_policies(made):
    payroll, rates = made(FILE + TITLES)
    for service in (payroll, rates):
        await service.aclose()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[services.payroll.titles.paislip]\ntitle.en = "P"', 'titles: the service has no tool "paislip"'),
        (
            '[services.payroll.titles.payslip]\narguments.moon.en = "M"',
            'titles.payslip.arguments: the tool has no argument "moon"',
        ),
    ],
)
def test_title_of_what_the_code_does_not_have_stops_the_start(made, text, fault):
    with pytest.raises(ConfigurationError) as caught:
        made(FILE + text)
    assert caught.value.faults == (f"SERVICES_FILE: services.payroll.{fault}",)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[services.payroll.titles.payslip]\ntitle = "Payslip"', "titles.payslip.title: input should be"),
        ("[services.payroll.titles.payslip]\ntitle = {}", "titles.payslip.title must have en, zh or both"),
        (
            '[services.payroll.titles.payslip]\ntitle.en = "Pay\\u200bslip"',
            "titles.payslip.title.en must be one line of visible characters",
        ),
        (
            '[services.payroll.titles]\na.title.en = "Pay"\nb.title.en = "pay"',
            'must have another title for the tool "b", like "a"',
        ),
        (
            '[services.rates.titles]\nsell.title.en = "Sell"',
            'must list the tool "sell" in tools, because it has a title',
        ),
    ],
)
def test_title_of_another_form_is_a_fault_of_the_file(read_declared, text, fault):
    _, faults = read_declared(FILE + text)
    assert len(faults) == 1
    assert fault in faults[0]
