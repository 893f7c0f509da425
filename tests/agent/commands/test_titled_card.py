"""The card of a call on a terminal has the operator's titles, and keeps the names."""

from agent.commands.titled_card import read_titles, titled

SERVICES = {
    "leave": {
        "title": None,
        "tools": {
            "leave_apply": {
                "title": {"en": "Apply for leave", "zh": "申请休假"},
                "arguments": {"first_day": {"en": "First day", "zh": "开始日期"}},
            }
        },
    }
}
CARD = """The agent asks to call "leave_apply" of the leave service (write).
· reason: first_day: never
· first_day: 2026-01-02
It would use the rights of user_alice01 (Human)."""


def test_title_and_name_stand_side_by_side():
    first, asked, reason, day, rights = titled(CARD, SERVICES, "leave", "leave_apply")
    assert first == "Apply for leave:"
    assert asked.startswith("The agent asks")
    assert reason == "· reason: first_day: never"
    assert day == "· First day (first_day): 2026-01-02"
    assert rights.startswith("It would use")


def test_card_without_titles_is_as_it_was():
    for services in ({}, {"leave": None}, {"leave": {"tools": {"leave_apply": {"title": 5}}}}):
        assert titled(CARD, services, "leave", "leave_apply") == CARD.split("\n")


def test_agent_that_cannot_be_asked_has_no_titles():
    assert read_titles("http://127.0.0.1:1", {}) == {}
