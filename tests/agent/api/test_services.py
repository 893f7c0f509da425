"""`GET /services`: what people read in place of technical names, as the operator declares it."""

from pathlib import Path

import pytest

from agent.api.services import services_shown
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from tests.suite import Sandbox

FILE = """
[services.amap]
type = "built-in"
prefix = "map_"
titles.maps_weather.title = { en = "Forecast", zh = "天气预报" }

[services.payroll]
type = "http"
url = "https://payroll.example/api"
access_token = "https://payroll.example|payroll.read"
access_identity = "Human"
python = "payroll.py:service"
prefix = "hr_"
title = { en = "Payroll", zh = "工资" }

[services.payroll.titles.payslip]
title.en = "Payslip"
arguments.month = { en = "Month", zh = "月份" }
"""
PAYROLL = '''
from idaas_agent import READS


def service(payroll, settings):
    @payroll.tool(policy=READS)
    async def payslip(http, month: str) -> str:
        """Gets a payslip."""

    @payroll.tool
    async def pay(http) -> str:
        """Pays."""
'''


@pytest.fixture
async def agent(sandbox: Sandbox, tmp_path: Path):
    (tmp_path / "services.toml").write_text(FILE)
    (tmp_path / "payroll.py").write_text(PAYROLL)
    file = {"SERVICES_FILE": str(tmp_path / "services.toml")}
    agent = Agent(read_settings(sandbox.environment | file))
    yield agent
    await agent.aclose()


def test_tools_are_named_as_in_calls_and_have_both_languages(agent: Agent):
    payroll = services_shown(agent)["payroll"]
    assert payroll["title"] == {"en": "Payroll", "zh": "工资"}
    assert payroll["tools"] == {
        "hr_pay": {"title": None, "arguments": {}, "effect": "read"},
        "hr_payslip": {
            "title": {"en": "Payslip", "zh": "Payslip"},
            "arguments": {"month": {"en": "Month", "zh": "月份"}},
            "effect": "read",
        },
    }


def test_file_replaces_the_titles_of_the_built_in_server_one_by_one(agent: Agent):
    tools = services_shown(agent)["amap"]["tools"]
    assert tools["map_maps_weather"]["title"] == {"en": "Forecast", "zh": "天气预报"}
    assert tools["map_maps_geo"]["title"] is not None


def test_services_of_the_tutorial_and_of_the_sandbox_have_titles_that_fit_their_code(agent: Agent):
    shown = services_shown(agent)
    apply = shown["leave"]["tools"]["leave_apply"]
    assert set(apply["arguments"]) == {"days", "first_day", "reason"}
    assert all(tool["title"] for name in ("leave", "enterprise") for tool in shown[name]["tools"].values())


async def test_route_answers_callers_alone(agent_server):
    async with agent_server.client(None) as http:
        assert (await http.get("/services")).status_code == 401
    async with agent_server.client() as http:
        services = (await http.get("/services")).json()["services"]
    assert services["leave"]["tools"]["leave_apply"]["title"] == {"en": "Apply for leave", "zh": "申请休假"}
