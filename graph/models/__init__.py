"""Model providers: Model Studio and other OpenAI-compatible endpoints. The key is an argument of each call.

May import `identity` and the modules at the top of `graph`; the only owner of `openai` and
`langchain_openai`.
Begin at `provider`.
"""
