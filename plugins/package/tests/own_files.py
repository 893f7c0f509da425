"""Files of an operator: tools of two services, and a graph."""

OWN_TOOL = '''"""When the salary is paid: a tool of the operator."""


def service(payroll, settings):
    @payroll.tool
    async def payday(http):
        """Returns when the salary of the signed-in employee is paid."""
        await http.get()
        return settings["answer"]
'''
OWN_CALENDAR = '''"""The calendar of another company, for whose use its user consents."""


def service(calendar, settings):
    @calendar.tool
    async def appointments(http) -> str:
        """Lists the appointments of the signed-in employee."""
        return (await http.get("events")).text
'''
OWN_GRAPH = """from langgraph.graph import END

from idaas_agent import build_graph


def build(parts):
    graph = build_graph(parts, last="after").add_edge("after", END)
    return graph.add_node("after", lambda _: {"messages": ("ai", "says its own graph")})
"""
ANSWER = "on the 25th, says the tool of the operator"
