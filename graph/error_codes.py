"""The codes of the errors that a run raises itself, and their rows of the error table."""

from enum import unique

from graph.node_error import MODEL
from identity.error_code import ErrorCode, ErrorRow


@unique
class GraphCode(ErrorCode):
    """Of the caller of a run, and of the model."""

    ACCESS_TOKEN_MISSING = (
        "access_token_missing",
        ErrorRow(
            symptom="No access token",
            cause="the request has no Authorization header of the form 'Bearer <access token>'",
            remedy="sign in, and send the access token in the Authorization header",
            person="You are not signed in. Sign in, and try again",
        ),
    )
    LLM_API_KEY_UNAVAILABLE = (
        "llm_api_key_unavailable",
        ErrorRow(
            symptom="Failed to retrieve the large model API key",
            cause="the credential identifier is wrong, or the agent (in Human identity: the user) may not "
            "read the credential",
            remedy="check {settings}, and the outbound authorization to the LLM node in IDaaS",
            person="The agent could not get its key for the language model. Ask your administrator",
            service=MODEL,
            unnamed_settings="the identifier of the model's key",
        ),
    )
    MODEL_CALL_FAILED = (
        "model_call_failed",
        ErrorRow(
            symptom="Large model call failed",
            cause="the model service refused the request or the key, is limiting requests, or could not be "
            "reached",
            remedy="check {settings}, and that the API key belongs to the same region; try again later",
            person="The language model gave no usable answer. Try again later, or ask your administrator",
            service=MODEL,
            unnamed_settings="the address and the name of the model",
        ),
    )
