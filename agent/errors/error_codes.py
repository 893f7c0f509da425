"""The codes of the errors that the agent's server raises itself. `errors.toml` has their rows."""

from identity.errors import ErrorCode


class AgentCode(ErrorCode):
    """Codes of limits, shutdown and conversations."""

    RUN_TIMED_OUT = "run_timed_out"
    SHUTTING_DOWN = "shutting_down"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_RUNS = "too_many_runs"
    OVERLOADED = "overloaded"
    NOTHING_TO_CONTINUE = "nothing_to_continue"
    QUESTION_REPLACED = "question_replaced"
    RUN_CANCELLED = "run_cancelled"
    RUN_INTERRUPTED = "run_interrupted"
    EVENTS_LOST = "events_lost"
    REVOCATIONS_UNAVAILABLE = "revocations_unavailable"
    REVOCATIONS_LOST = "revocations_lost"
    REDIS_UNAVAILABLE = "redis_unavailable"
    CONVERSATIONS_UNAVAILABLE = "conversations_unavailable"
    CONVERSATIONS_SCHEMA_UNKNOWN = "conversations_schema_unknown"
    CONVERSATIONS_KEY_MISSING = "conversations_key_missing"
    CONVERSATIONS_CLEAR_ALLOWED = "conversations_clear_allowed"
    CONVERSATION_UNREADABLE = "conversation_unreadable"
    THREAD_NOT_FOUND = "thread_not_found"
    THREAD_BUSY = "thread_busy"
    CONVERSATION_FULL = "conversation_full"
    STORAGE_FULL = "storage_full"
    INTERNAL_ERROR = "internal_error"
    TOOLS_NOT_OFFERED = "tools_not_offered"
    POLICY_INVALID = "policy_invalid"
    POLICY_UNAVAILABLE = "policy_unavailable"
