"""Structured answers of OpenAI's published clients, unchanged, and over plain HTTP."""

import json
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from graph.models.provider import ChatModelProvider
from tests.graph.scripted_model import ScriptedModel
from tests.suite import Sandbox

CHAT = "/openai/v1/chat/completions"
ASK: Any = [{"role": "user", "content": "Weather?"}]
FITS = '{"city": "Hangzhou", "high": 31}'


class Weather(BaseModel):
    city: str
    high: int


class Served:
    def __init__(self, url: str, token: str, model: ScriptedModel) -> None:
        self.url, self.token, self.model = url, token, model

    def answers(self, *turns: str) -> None:
        self.model.turns = [AIMessage(turn) for turn in turns]


@pytest.fixture
async def served(sandbox: Sandbox, serve: Any, tmp_path: Any) -> Served:
    kept = {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/threads.db"}
    settings, model = read_settings(sandbox.environment | kept), ScriptedModel(turns=[AIMessage(FITS)])
    agent = Agent(settings, clock=sandbox.clock, model=ChatModelProvider(model))
    url = await serve(create_app(settings, agent))  # which starts and ends the agent
    return Served(url, sandbox.access_token(), model)


async def test_official_client_parses_whole_and_streamed_answers(served: Served) -> None:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/openai/v1", api_key=served.token) as client:
        whole = await client.chat.completions.parse(model="any", messages=ASK, response_format=Weather)
        served.answers("Sunny.", FITS)
        async with client.chat.completions.stream(
            model="any", messages=ASK, response_format=Weather
        ) as stream:
            streamed = await stream.get_final_completion()
    for completion in (whole, streamed):
        assert completion.choices[0].message.parsed == Weather(city="Hangzhou", high=31)


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
async def test_structured_output_of_langchain_works_unchanged(served: Served, method: Any) -> None:
    chat = ChatOpenAI(model="any", base_url=f"{served.url}/openai/v1", api_key=served.token)  # type: ignore[arg-type]  # a text is accepted
    assert await chat.with_structured_output(Weather, method=method).ainvoke("Weather?") == Weather(
        city="Hangzhou", high=31
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("more", [{}, {"metadata": {"thread_id": "t-1"}}], ids=["alone", "conversation"])
async def test_answer_that_does_not_fit_is_an_error_with_its_place(
    served: Served, stream: bool, more: dict[str, Any]
) -> None:
    served.answers('{"city": "Hangzhou", "high": "hot"}')
    form = {"name": "weather", "strict": True, "schema": Weather.model_json_schema()}
    wanted = {"response_format": {"type": "json_schema", "json_schema": form}}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {served.token}"}) as http:
        response = await http.post(
            f"{served.url}{CHAT}", json={"messages": ASK, "stream": stream, **wanted, **more}
        )
    error = json.loads(response.text.removeprefix("data: "))["error"]
    assert (error["code"], error["param"]) == ("answer_does_not_fit", "$.high")
    assert response.status_code == 502


SPEAKS_FIRST = """
from idaas_agent import AgentState, build_graph

def note(state: AgentState):
    return {"messages": ("ai", '{"city": "Ningbo", "high": 1}')}

def build(parts):
    graph = build_graph(parts, AgentState, first="note")
    graph.add_node("note", note)
    graph.add_edge("note", "credentials")
    return graph
"""


@pytest.mark.parametrize("more", [{}, {"metadata": {"thread_id": "t-1"}}], ids=["alone", "conversation"])
async def test_two_answers_of_an_own_graph_are_no_answer_in_form(
    sandbox: Sandbox, serve: Any, tmp_path: Any, more: dict[str, Any]
) -> None:
    (tmp_path / "speaks_first.py").write_text(SPEAKS_FIRST)
    kept = {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/threads.db"}
    given = sandbox.environment | kept | {"GRAPH": f"{tmp_path}/speaks_first.py:build"}
    settings, model = read_settings(given), ScriptedModel(turns=[AIMessage(FITS)])
    wanted = {"messages": ASK, "response_format": {"type": "json_object"}, **more}
    agent = Agent(settings, clock=sandbox.clock, model=ChatModelProvider(model))
    url = await serve(create_app(settings, agent))  # which starts and ends the agent
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {sandbox.access_token()}"}) as http:
        response = await http.post(f"{url}{CHAT}", json=wanted)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "answer_does_not_fit")
    assert response.json()["error"]["param"] == "$"
