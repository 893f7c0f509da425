"""The company's search, by the tool of `langchain-tavily`."""

from langchain_tavily import TavilySearch

from idaas_agent import READS


def service(search, settings):
    """What `services.toml` names."""

    def tools(key):
        """The toolkit of one call, with the key that IDaaS has for its caller."""
        return [
            TavilySearch(
                name="company_search",
                description="Searches the company's documents.",
                tavily_api_key=key.reveal(),
                api_base_url=settings["url"],
                max_results=3,
            )
        ]

    search.add_all(tools, policy=READS)
