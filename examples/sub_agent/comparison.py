"""Compares payslips, by an agent of its own."""

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from idaas_agent import READS, progress


def service(comparison, settings):
    """What an entry of SERVICES_FILE names."""

    @comparison.tool(policy=READS)
    async def compare_months(http, model: BaseChatModel, months: list[str]):
        """Compares the payslips of some months, and explains the differences."""

        @tool
        async def payslip(month: str):
            """Gets the payslip for a month, written YYYY-MM."""
            progress(None, f"payslip of {month}")
            return (await http.get("payslips", month)).text

        question = f"Get the payslips of {', '.join(months)}, and explain the differences."
        end = await sub_agent(model, [payslip]).ainvoke({"messages": [("user", question)]})
        return end["messages"][-1].text


def sub_agent(model, tools):
    """A model that calls tools until it has an answer."""

    async def think(state: MessagesState):
        return {"messages": await model.bind_tools(tools).ainvoke(state["messages"])}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    return graph.compile()
