"""Tools that the stand-in model has never seen: chosen by their words, filled from unquoted values."""

import pytest

from tests.sandbox.model_studio.planner.own_tools import ISO_EXPENSES, OWN, TEXT
from tests.sandbox.model_studio.planner.planner_session import ALL, converse, first_calls, tool


@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [
        ("What are my travel expenses for October 2026?", "travel_expenses", {"month": "October 2026"}),
        ("Travel expenses in October 2026", "travel_expenses", {"month": "October 2026"}),
        (
            "Travel expenses for October 2026 in currency EUR",
            "travel_expenses",
            {"month": "October 2026", "currency": "EUR"},
        ),
        ("Travel expenses of last month", "travel_expenses", {"month": "2026-10"}),
        ("What is the budget of project Apollo?", "project_budget", {"project": "Apollo"}),
        ("What is the Apollo project's budget?", "project_budget", {"project": "Apollo"}),
        (
            "What is the budget for Apollo 7 in year 2026?",
            "project_budget",
            {"project": "Apollo 7", "year": 2026},
        ),
        ("What is the project budget for apollo?", "project_budget", {"project": "apollo"}),
        (
            "Create a ticket, the title is printer broken, priority high",
            "create_ticket",
            {"title": "printer broken", "priority": "high"},
        ),
        (
            'Create a ticket titled "Printer on fire" for assignee Bob',
            "create_ticket",
            {"title": "Printer on fire", "assignee": "Bob"},
        ),
        (
            "Create a high priority ticket about the broken printer",
            "create_ticket",
            {"title": "broken printer", "priority": "high"},
        ),
        ("Search the handbook for remote work", "search_handbook", {"query": "remote work"}),
        ("What does the handbook say about remote work?", "search_handbook", {"query": "remote work"}),
        (
            "Search the handbook for sabbatical, limit 3",
            "search_handbook",
            {"query": "sabbatical", "limit": 3},
        ),
        (
            "Book a flight from Hangzhou to Beijing tomorrow",
            "book_flight",
            {"from_city": "Hangzhou", "to_city": "Beijing", "date": "2026-11-25"},
        ),
        (
            "Book a flight from Hangzhou to Beijing on December 3 with a window seat",
            "book_flight",
            {"from_city": "Hangzhou", "to_city": "Beijing", "date": "2026-12-03", "window_seat": True},
        ),
        (
            "Reserve a hotel in Shanghai for 3 nights on 2026-12-01",
            "reserve_hotel",
            {"city": "Shanghai", "check_in_date": "2026-12-01", "nights": 3},
        ),
        ("Compare the symbols “BABA” and “JD”", "compare_symbols", {"names": ["BABA", "JD"]}),
        ("What is the price of a light blue shirt?", "shirt_price", {"colour": "light_blue"}),
        (
            "Send a mail to li.na@example.com saying good morning",
            "send_mail",
            {"email": "li.na@example.com", "body": "good morning"},
        ),
    ],
)
def test_own_tool_is_found_and_takes_unquoted_values(question, name, arguments):
    assert first_calls(question, tools=OWN) == [(name, arguments)]


def test_month_has_the_form_that_the_schema_asks_for():
    calls = first_calls("My travel expenses for October 2026", tools=[ISO_EXPENSES])
    assert calls == [("travel_expenses", {"month": "2026-10"})]


def test_several_dates_are_taken_in_their_order():
    absence = tool(
        "request_absence", "Requests an absence.", ["start_date", "end_date"], start_date=TEXT, end_date=TEXT
    )
    calls = first_calls("Request an absence from 2026-12-01 to 2026-12-05", tools=[*ALL, absence])
    assert calls == [("request_absence", {"start_date": "2026-12-01", "end_date": "2026-12-05"})]


def test_missing_value_of_an_own_tool_is_asked_for():
    rounds, text = converse("What is the project budget?", tools=OWN)
    assert rounds == []
    assert "**project**" in text


def test_result_of_an_own_tool_is_put_into_words():
    _, text = converse(
        "My travel expenses for October 2026",
        tools=OWN,
        answers={
            "travel_expenses": '{"total": 420.5, "trips": [{"name": "Beijing", "nights": 2}], "rows": []}'
        },
    )
    assert "- total: 420.5" in text
    assert "  - **Beijing**, nights: 2" in text
