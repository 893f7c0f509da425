"""Which tests `make future` runs: a file that names a date. What tests share must name none."""

from pathlib import Path

import pytest

from tests.suite import DAY, NAMES_A_DATE

ROOT = Path(__file__).parent.parent
FOLDERS = [ROOT / "tests", *ROOT.glob("plugins/*/tests")]
PAST_OR_FIXED = {
    "plugins/policy/tests/airline_referee.py": "the day of the benchmark, which no clock is compared with",
    "plugins/policy/tests/company.py": "the clock of the tests that use it",
    "tests/sandbox/model_studio/golden_conversations.json": "answers on a day that the tests name",
    "tests/sandbox/model_studio/golden_conversations.py": "answers on a day that the tests name",
    "tests/sandbox/model_studio/script_session.py": "the day on which the script is asked",
    "tests/sandbox/openapi/openapi_client.py": "the version of an API",
}
"""Files that are no tests and name days, each with what the days are."""


def test_files_that_tests_share_name_no_day_that_will_have_passed() -> None:
    shared = (
        path
        for kind in ("*.py", "*.js", "*.json", "*.toml")
        for folder in FOLDERS
        for path in folder.rglob(kind)
        if not path.match("test_*.py") and "node_modules" not in path.parts
    )
    naming = {str(path.relative_to(ROOT)) for path in shared if DAY.search(path.read_text())}
    assert naming == set(PAST_OR_FIXED), "take the day from tests.clock.date_in, or give the reason"


@pytest.mark.parametrize(
    "text",
    [
        'LEAVE = {"days": 3, "first_day": "2026-12-07"}',
        "now = datetime(2027, 1, 15)",
        "TODAY = date(2026, 11, 25)",
        "from tests.leave_application import APPLIES",
    ],
)
def test_file_that_names_a_date_is_run_on_new_years_eve(text: str) -> None:
    assert NAMES_A_DATE.search(text)


@pytest.mark.parametrize("text", ['VERSION = "2026-07-28"', 'call("payslip", month="2026-10")', "later"])
def test_version_of_mcp_and_a_month_are_no_date(text: str) -> None:
    assert not NAMES_A_DATE.search(text)
