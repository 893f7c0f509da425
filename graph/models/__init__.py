"""The chat models that the graph can ask, called with the API key that IDaaS issued.

May import `identity` and `graph.prompt`; the only owner of `openai` and `langchain_openai`.
Begin at `model_studio`.
"""
