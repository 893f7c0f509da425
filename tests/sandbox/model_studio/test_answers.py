"""The stand-in model's words for failures of tools."""

import pytest

from tests.sandbox.model_studio.script_session import converse


@pytest.mark.parametrize(
    "result",
    [
        "Get weather failed: DAILY_QUERY_OVER_LIMIT",
        "external_service_failed: External service call failed (no answer). Likely cause: x. Remedy: y.",
        '{"error": "DAILY_QUERY_OVER_LIMIT", "message": "too much"}',
        '{"ok": false, "message": "no"}',
    ],
)
@pytest.mark.parametrize(("question", "reply"), [("Weather in Hangzhou", "failed"), ("杭州天气", "失败")])
def test_failure_of_a_tool_is_reported_and_not_repeated(result, question, reply):
    rounds, text = converse(question, results={"maps_weather": result})
    assert len(rounds) == 1
    assert reply in text
