"""The company's search, by a tool of `langchain-tavily`."""

from langchain_tavily import TavilySearch

from idaas_agent import READS


def service(search, settings):
    """What `services.toml` names."""

    @search.tool(policy=READS)
    async def company_search(http, query: str):
        """Searches the company's documents."""
        key = (await http.credential()).secret.reveal()
        toolkit = TavilySearch(tavily_api_key=key, api_base_url=settings["url"], max_results=3)
        found = await toolkit.ainvoke({"query": query})
        return [result["content"] for result in found.get("results", [])]
