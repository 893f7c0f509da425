"""The codes of the errors that the agent's server raises itself, and their rows of the error table."""

from enum import unique

from identity.errors import ErrorCode, ErrorRow


@unique
class AgentCode(ErrorCode):
    """Codes of limits, shutdown, records and settings."""

    RUN_TIMED_OUT = ErrorRow(
        "run_timed_out",
        symptom="The answer took too long",
        cause="the model and the tools together needed more than the time that one run may take",
        remedy="ask for less at once, or raise RUN_TIMEOUT_SECONDS",
        person="The answer took too long. Ask for less at once",
    )
    SHUTTING_DOWN = ErrorRow(
        "shutting_down",
        symptom="The agent is being stopped",
        cause="an operator or the platform stopped or replaced the agent before the answer was complete",
        remedy="ask again in a moment; tool calls of this answer may already have taken effect",
        person="The agent is being stopped. What it was doing for you may already have taken effect. Ask "
        "again in a moment",
    )
    RATE_LIMITED = ErrorRow(
        "rate_limited",
        symptom="Too many requests",
        cause="the caller sent more requests in a minute than the agent accepts from one caller",
        remedy="wait for the time in Retry-After, or raise MAX_REQUESTS_PER_MINUTE",
        person="You have sent too many requests. Wait a moment, and try again",
    )
    TOO_MANY_RUNS = ErrorRow(
        "too_many_runs",
        symptom="Too many answers at once",
        cause="as many runs of this caller are in progress, or wait prepared, as one caller may have",
        remedy="wait until one has ended, or raise MAX_CONCURRENT_RUNS (of prepared ones, "
        "MAX_PREPARED_BY_CLIENT or MAX_PREPARED_FOR_USER)",
        person="Too many of your questions are being answered at once. Wait until one of them has ended",
    )
    OVERLOADED = ErrorRow(
        "overloaded",
        symptom="The agent is busy",
        cause="as many runs are in progress as this process executes at once",
        remedy="try again in a moment; if it repeats, raise MAX_RUNS or run more processes",
        person="The agent is busy. Try again in a moment",
    )
    NOTHING_TO_CONTINUE = ErrorRow(
        "nothing_to_continue",
        symptom="There is nothing to continue",
        cause="the last run of the thread has ended as it should, or waits for an approval",
        remedy="send a message, or answer the approval",
        person="There is nothing to continue here. Write a message",
    )
    QUESTION_REPLACED = ErrorRow(
        "question_replaced",
        symptom="The question is not part of the conversation",
        cause="it was replaced, or its thread shows another version; or the message is no question",
        remedy="read the messages of the thread again",
        person="This question was replaced meanwhile. Reload the conversation to see it",
    )
    RUN_CANCELLED = ErrorRow(
        "run_cancelled",
        symptom="The run was cancelled",
        cause="another request of the same user cancelled the run that this one shows",
        remedy="none: the user wanted it; what was called before may have taken effect",
        person="The answer was stopped. What the agent did before may have taken effect",
    )
    RUN_INTERRUPTED = ErrorRow(
        "run_interrupted",
        symptom="A run was cut off",
        cause="the run failed, or its process stopped, in another process than the one that reports it",
        remedy="continue the run; the log of the other process has the reason",
        person="The answer was cut off. You can let it continue",
    )
    EVENTS_LOST = ErrorRow(
        "events_lost",
        symptom="A reader does not have all events of a run",
        cause="the reader was slower than the run, which keeps a limited number of its events; or Redis, "
        "or a database that was replaced, has lost some",
        remedy="read the messages of the thread again: they are complete",
        person="A part of this answer could not be shown here. Reload the conversation to see it",
    )
    REVOCATIONS_UNAVAILABLE = ErrorRow(
        "revocations_unavailable",
        symptom="Revocations cannot be read",
        cause="the PostgreSQL of CONVERSATIONS_URL, the Redis of REDIS_URL, or the file of REVOCATIONS_FILE "
        "cannot be used",
        remedy="check the server, or the file's folder and rights; until then revocations are missed, and an "
        "agent that has not read them since its start accepts no access token",
        person="The service cannot check withdrawn access rights at the moment. Try again later",
    )
    REVOCATIONS_LOST = ErrorRow(
        "revocations_lost",
        symptom="Revocations were lost",
        cause="the store that must keep them was emptied, restored from an earlier state, or replaced by a "
        "standby that had not received them",
        remedy="find out what has happened to it; of Redis, check that it persists and evicts nothing. "
        "Processes write back what they know",
        person="The service cannot check withdrawn access rights at the moment. Try again later",
    )
    REDIS_UNAVAILABLE = ErrorRow(
        "redis_unavailable",
        symptom="Processes share nothing at the moment",
        cause="the Redis of REDIS_URL does not respond, or refuses the agent",
        remedy="check the Redis; it is used again without a restart. Until then each process counts for "
        "itself, and runs of other processes are followed by what they store",
        person="The service works with restrictions at the moment. Try again later",
        caused_by_callers=False,
    )
    CONVERSATIONS_UNAVAILABLE = ErrorRow(
        "conversations_unavailable",
        symptom="Conversations cannot be read or stored",
        cause="the database of CONVERSATIONS_URL cannot be used now, or is another program's",
        remedy="correct what is named; nothing was changed, and the agent then continues without a restart. "
        "Chats without a conversation are not concerned",
        person="Your conversations cannot be reached at the moment. Try again later, or ask your "
        "administrator",
        caused_by_callers=False,
    )
    CONVERSATIONS_SCHEMA_UNKNOWN = ErrorRow(
        "conversations_schema_unknown",
        symptom="The tables of conversations have a version that this agent does not know",
        cause="another version of the agent has changed the database of CONVERSATIONS_URL; this process is "
        "not ready, and has changed nothing",
        remedy="start that version of the agent, or restore the copy of the database from before it",
        person="Your conversations cannot be reached at the moment. Try again later, or ask your "
        "administrator",
        caused_by_callers=False,
    )
    CONVERSATIONS_KEY_MISSING = ErrorRow(
        "conversations_key_missing",
        symptom="The key file does not fit the database of conversations",
        cause="CONVERSATIONS_KEY_FILE lacks a key under which conversations are encrypted, or the line "
        '"clear", though they are in clear; this process is not ready, and has changed nothing',
        remedy="give this process the file that the others have, and restart it",
        person="Your conversations cannot be reached at the moment. Try again later, or ask your "
        "administrator",
        caused_by_callers=False,
    )
    CONVERSATIONS_CLEAR_ALLOWED = ErrorRow(
        "conversations_clear_allowed",
        symptom="Conversations in clear are accepted, though there is a key",
        cause='CONVERSATIONS_KEY_FILE has the line "clear": a writer of the database can forge them',
        remedy='remove the line "clear" when the log says that values were brought under the present key',
        person="The service works with restrictions at the moment. Try again later",
        caused_by_callers=False,
    )
    CONVERSATION_UNREADABLE = ErrorRow(
        "conversation_unreadable",
        symptom="A stored value of a conversation is refused",
        cause="it is not what the agent has stored at its place: it was changed, moved or written by another "
        "program, or is in clear or under a key that CONVERSATIONS_KEY_FILE does not have",
        remedy="find out who writes into the database of CONVERSATIONS_URL; delete the conversation, or "
        "restore the database from a copy. Nothing of the value was used, and other conversations go on",
        person="This conversation cannot be read any more. Ask your administrator",
        caused_by_callers=False,
    )
    THREAD_NOT_FOUND = ErrorRow(
        "thread_not_found",
        symptom="There is no such conversation",
        cause="the thread was deleted, has never existed, or belongs to another user: which of them is not "
        "distinguished",
        remedy="none; the caller lists their conversations",
        person="There is no such conversation. It may have been deleted",
    )
    THREAD_BUSY = ErrorRow(
        "thread_busy",
        symptom="The conversation is busy",
        cause="a run of the thread is in progress, in this or another process; one at a time is allowed",
        remedy="wait until it has ended, or cancel it",
        person="This conversation is still being answered. Wait until the answer has ended, or stop it",
    )
    CONVERSATION_FULL = ErrorRow(
        "conversation_full",
        symptom="The conversation is full",
        cause="as many messages or bytes are stored as one conversation may have",
        remedy="begin another conversation, or raise MAX_THREAD_MESSAGES or MAX_THREAD_BYTES",
        person="This conversation is full. Begin another one",
    )
    STORAGE_FULL = ErrorRow(
        "storage_full",
        symptom="The user's conversations take up all their space",
        cause="as many conversations or bytes are stored as one user may have, or twice as many with those "
        "that were deleted in the last minutes",
        remedy="the user deletes conversations; or raise MAX_USER_BYTES or MAX_USER_THREADS",
        person="Your conversations take up all the space that you have. Delete some of them, and try again",
    )
    AUDIT_UNAVAILABLE = ErrorRow(
        "audit_unavailable",
        symptom="The audit log could not be written",
        cause="the disk is full, or AUDIT_LOG_FILE names a file that the agent may not write",
        remedy="make AUDIT_LOG_FILE writable: the agent then continues without a restart; its log has the "
        "reason",
        person="The agent cannot keep its records, and does nothing without them. Try again later, or ask "
        "your administrator",
        caused_by_callers=False,
    )
    INTERNAL_ERROR = ErrorRow(
        "internal_error",
        symptom="The agent failed unexpectedly",
        cause="the agent has a fault, or a part that was added to it has one",
        remedy="look in the log of the agent for the type and the place of the fault",
        person="The agent failed unexpectedly. Try again, or ask your administrator",
        caused_by_callers=False,
    )
    TOOLS_NOT_OFFERED = ErrorRow(
        "tools_not_offered",
        symptom="Tools are not offered to the model",
        cause="tools of several services have one name, or an MCP server has changed tools since they were "
        "accepted",
        remedy="run idaas-agent doctor, which names the tools",
        person="Some tools of the agent cannot be used. Ask your administrator",
        caused_by_callers=False,
    )
    POLICY_INVALID = ErrorRow(
        "policy_invalid",
        symptom="The policy file is refused",
        cause="POLICY_FILE cannot be read, is cut off, or has a rule that does not fit the services",
        remedy="run idaas-agent policy check, which names each line; the rules before it stay in force",
        person="The service works with restrictions at the moment. Try again later",
        caused_by_callers=False,
    )
    POLICY_UNAVAILABLE = ErrorRow(
        "policy_unavailable",
        symptom="The decision point of the policy gives no decision, and calls are denied",
        cause="POLICY_URL cannot be reached, refuses the agent, or does not respond with a decision",
        remedy="check POLICY_URL and POLICY_SCOPE, and the decision point; calls continue without a restart",
        person="The service works with restrictions at the moment. Try again later",
        caused_by_callers=False,
    )
    SETTINGS_INVALID = ErrorRow(
        "settings_invalid",
        symptom="The agent's settings are invalid",
        cause="an environment variable is missing, or has a value that cannot be used",
        remedy="correct each variable that is named",
        person="The agent is not set up correctly. Ask your administrator",
        caused_by_callers=False,
    )
