"""A graph for `langgraph dev`. The lines marked `# identity` were added to it.

{"dependencies": ["."],
 "graphs": {"agent": "./langgraph_dev.py:agent"},
 "auth": {"path": "./langgraph_dev.py:auth", "disable_studio_auth": true}}
"""

import os

import httpx
from langgraph.graph import START, MessagesState, StateGraph

from idaas_agent import CredentialError, Identity, IdentityContext  # identity

LEAVE = os.environ["LEAVE_SERVICE_URL"]

identity = Identity.from_env()  # identity
auth = identity.langgraph_auth()  # identity: each request has a verified caller, and threads an owner
credential = identity.auth(os.environ["LEAVE_SERVICE_SCOPE"], url=LEAVE, access_identity="Human")  # identity


async def balance(_: MessagesState) -> dict:
    """The days of leave that remain to the caller."""
    async with httpx.AsyncClient(auth=credential) as http:  # identity: auth=
        try:
            response = await http.get(LEAVE)
        except CredentialError as error:  # identity
            return {"messages": [("ai", error.for_person())]}  # identity
    return {"messages": [("ai", response.raise_for_status().text)]}


builder = StateGraph(MessagesState, context_schema=IdentityContext)  # identity: context_schema
builder.add_node("balance", balance)
builder.add_edge(START, "balance")
agent = builder.compile()
