"""The attributes that a span may have: an allow-list. What is not here is in no trace.

Names follow OpenTelemetry's conventions: HTTP (stable), GenAI and MCP as of v0.1.0 (in development). What
the conventions do not have begins with `idaas_agent`. There is none for a token, a credential, a header, a
path, a query or the text of an error.
"""

from enum import StrEnum


class Attribute(StrEnum):
    """The name of an attribute."""

    HTTP_METHOD = "http.request.method"
    HTTP_ROUTE = "http.route"
    """The template of a route, never the path."""
    HTTP_STATUS = "http.response.status_code"
    SERVER_ADDRESS = "server.address"
    SERVER_PORT = "server.port"

    ERROR_TYPE = "error.type"
    """A code of docs/errors.md, `tool_error`, `cancelled` or `_OTHER`. Absent: success."""

    USER_HASH = "user.hash"
    USER_ID = "user.id"
    REQUEST_ID = "idaas_agent.request.id"

    OPERATION = "gen_ai.operation.name"
    PROVIDER = "gen_ai.provider.name"
    MODEL = "gen_ai.request.model"
    STREAMED = "gen_ai.request.stream"
    AGENT_NAME = "gen_ai.agent.name"
    CONVERSATION = "gen_ai.conversation.id"
    FINISH_REASONS = "gen_ai.response.finish_reasons"
    FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
    INPUT_TOKENS = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
    TOOL = "gen_ai.tool.name"
    TOOL_TYPE = "gen_ai.tool.type"

    MCP_METHOD = "mcp.method.name"
    MCP_VERSION = "mcp.protocol.version"

    CLIENT = "idaas_agent.client.id"
    """The agent's own identity: its client id in IDaaS."""
    ACCESS_IDENTITY = "idaas_agent.access_identity"
    AUDIENCE = "idaas_agent.credential.audience"
    SCOPE = "idaas_agent.credential.scope"
    CREDENTIAL = "idaas_agent.credential.identifier"
    SERVICE = "idaas_agent.service"
    APPROVAL = "idaas_agent.approval.id"
    ISSUE = "idaas_agent.idaas.operation"

    INPUT_MESSAGES = "gen_ai.input.messages"
    """Content, as are the next three: only if a setting requires it."""
    OUTPUT_MESSAGES = "gen_ai.output.messages"
    TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
    TOOL_RESULT = "gen_ai.tool.call.result"


CONTENT = frozenset(
    {Attribute.INPUT_MESSAGES, Attribute.OUTPUT_MESSAGES, Attribute.TOOL_ARGUMENTS, Attribute.TOOL_RESULT}
)
"""Attributes with what people and services write."""
