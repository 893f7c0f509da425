"""Tools of a customer, which the stand-in model has never seen."""

from sandbox.model_studio.planner.conversation import Tool
from tests.sandbox.model_studio.planner.planner_session import ALL, tool

TEXT = {"type": "string"}
EXPENSES = tool(
    "travel_expenses", "What an employee spent on travel in a month.", ["month"], month=TEXT, currency=TEXT
)
ISO_EXPENSES = tool(
    "travel_expenses",
    "What an employee spent on travel in a month.",
    ["month"],
    month={"type": "string", "description": "YYYY-MM"},
)
TICKET = tool(
    "create_ticket",
    "Opens a ticket at the help desk.",
    ["title"],
    title=TEXT,
    priority={"anyOf": [{"type": "string", "enum": ["low", "high"]}, {"type": "null"}]},
    assignee={"anyOf": [TEXT, {"type": "null"}], "default": None},
)
BUDGET = tool(
    "project_budget", "The budget of a project.", ["project"], project=TEXT, year={"type": "integer"}
)
HANDBOOK = tool(
    "search_handbook", "Searches the company's handbook.", ["query"], query=TEXT, limit={"type": "integer"}
)
FLIGHT = tool(
    "book_flight",
    "Books a flight.",
    ["from_city", "to_city", "date"],
    from_city=TEXT,
    to_city=TEXT,
    date=TEXT,
    window_seat={"type": "boolean"},
)
HOTEL = tool(
    "reserve_hotel",
    "Reserves a hotel.",
    ["city", "check_in_date", "nights"],
    city=TEXT,
    check_in_date=TEXT,
    nights={"type": "integer"},
)
STOCKS = tool(
    "compare_symbols", "Compares symbols of shares.", ["names"], names={"type": "array", "items": TEXT}
)
SHOP = Tool(
    "shirt_price",
    "The price of a shirt.",
    {
        "properties": {"colour": {"$ref": "#/$defs/Colour"}},
        "required": ["colour"],
        "$defs": {"Colour": {"type": "string", "enum": ["red", "light_blue"]}},
    },
)
MAIL = tool("send_mail", "Sends an e-mail.", ["email", "body"], email=TEXT, body=TEXT)
OWN = [*ALL, EXPENSES, TICKET, BUDGET, HANDBOOK, FLIGHT, HOTEL, STOCKS, SHOP, MAIL]
