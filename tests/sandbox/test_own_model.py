"""A model of one's own beside the sandbox: what replaces its variables, and what a person is told."""

from sandbox.commands.own_model import own_model

SANDBOX = {
    "LLM_API_KEY_IDENTIFIER": "llm_api_key",
    "LLM_BASE_URL": "https://localhost:9444/v1",
    "AGENT_SCOPE": "x",
}


def test_sandboxs_model_is_used_where_nothing_else_is_given() -> None:
    model = own_model({"AGENT_SCOPE": "y"}, (), SANDBOX)
    assert (model.variables, model.replaced, model.note) == ({}, (), None)


def test_given_model_replaces_the_sandboxs_and_is_printed() -> None:
    given = {
        "LLM_PROVIDER": "langchain:anthropic",
        "LLM_MODEL": "claude",
        "LLM_API_KEY_FILE": "/k",
        "PATH": "/",
    }
    model = own_model(given, (), SANDBOX)
    assert SANDBOX | model.variables == {
        "LLM_PROVIDER": "langchain:anthropic",
        "LLM_MODEL": "claude",
        "LLM_API_KEY_FILE": "/k",
        "LLM_API_KEY_IDENTIFIER": "",
        "LLM_BASE_URL": "",
        "AGENT_SCOPE": "x",
    }
    assert model.note == (
        "note: the model is yours, by LLM_PROVIDER, LLM_MODEL, LLM_API_KEY_FILE; "
        "not used of the sandbox: LLM_API_KEY_IDENTIFIER, LLM_BASE_URL"
    )


def test_address_of_ones_own_keeps_the_key_of_the_sandbox() -> None:
    model = own_model({"LLM_BASE_URL": "https://m.example/v1"}, (), SANDBOX)
    assert model.variables == {"LLM_BASE_URL": "https://m.example/v1"}
    assert model.replaced == ("LLM_BASE_URL",)


def test_empty_variable_of_the_environment_leaves_out_that_of_the_file() -> None:
    model = own_model({"LLM_MODEL": "of-the-file"}, {"LLM_MODEL"}, SANDBOX)
    assert (model.variables, model.note) == ({"LLM_MODEL": ""}, None)
