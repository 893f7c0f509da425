import asyncio

import guarded_graph

from idaas_agent.testing import AgentUnderTest, ScriptedModel


def test_question_about_others_is_refused_before_the_model_reads_it():
    agent = AgentUnderTest(model := ScriptedModel("no"), graph=guarded_graph.build)
    assert asyncio.run(agent.ask("What is the salary of Bob?")) == guarded_graph.REFUSAL
    assert model.read == []


def test_notice_follows_an_answer_about_money_only():
    agent = AgentUnderTest(ScriptedModel("You got 8,000 yuan.", "It is sunny."), graph=guarded_graph.build)
    assert asyncio.run(agent.ask("And mine?")) == guarded_graph.NOTICE
    assert asyncio.run(agent.ask("The weather?")) == "It is sunny."
