"""The variables of the model: its key, its provider, its instructions."""

from pathlib import Path

import pytest

from agent.settings.settings import read_settings
from tests.agent.settings.conftest import SECRET, faults


def test_static_model_key_replaces_the_identifier(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    del environment["LLM_API_KEY_IDENTIFIER"]
    settings = read_settings(environment | {"LLM_API_KEY_FILE": str(file)})
    assert settings.llm_api_key_file is not None
    assert settings.llm_api_key_file.reveal() == SECRET
    assert SECRET not in f"{settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize("content", [None, "", "two words", "two\nlines", "schlüssel"])
def test_unusable_key_file_is_a_fault(environment, tmp_path, content):
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    del environment["LLM_API_KEY_IDENTIFIER"]
    [fault] = faults(environment | {"LLM_API_KEY_FILE": str(file)}).faults
    assert fault.startswith("LLM_API_KEY_FILE must name a readable file")


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"LLM_PROVIDER": "other"}, ["LLM_PROVIDER"]),
        ({"LLM_PROVIDER": "openai_compatible"}, ["LLM_BASE_URL", "LLM_MODEL"]),
        (
            {
                "LLM_PROVIDER": "openai_compatible",
                "LLM_BASE_URL": "https://models.example/v1",
                "LLM_MODEL": "m",
                "LLM_ENABLE_THINKING": "true",
            },
            ["LLM_ENABLE_THINKING"],
        ),
        ({"LLM_PROVIDER": "langchain:anthropic"}, ["LLM_MODEL"]),
        ({"LLM_PROVIDER": "langchain:"}, ["LLM_PROVIDER"]),
        ({"LLM_API_KEY_FILE": __file__}, ["LLM_API_KEY_FILE", "LLM_API_KEY_FILE"]),
    ],
)
def test_inconsistent_settings_of_the_provider_are_faults(environment, changed, found):
    assert [fault.split()[0] for fault in faults(environment | changed).faults] == found


@pytest.mark.parametrize(
    ("changed", "address"),
    [
        ({}, "https://dashscope.aliyuncs.com/compatible-mode/v1"),
        ({"LLM_PROVIDER": "langchain:anthropic", "LLM_MODEL": "m"}, None),
        (
            {"LLM_PROVIDER": "langchain:openai", "LLM_MODEL": "m", "LLM_BASE_URL": "https://m.example/v1"},
            "https://m.example/v1",
        ),
    ],
)
def test_address_of_a_named_provider_is_its_packages_unless_one_is_given(
    environment: dict[str, str], changed: dict[str, str], address: str | None
) -> None:
    environment.pop("LLM_BASE_URL", None)
    assert read_settings(environment | changed).model_address == address


def test_system_prompt_is_the_text_of_its_file(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_bytes("\ufeff\n 你是工资助手。\nBe brief.\n\n".encode())
    assert read_settings(environment).system_prompt_file is None
    settings = read_settings(environment | {"SYSTEM_PROMPT_FILE": str(file)})
    assert settings.system_prompt_file == "你是工资助手。\nBe brief."


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "must name a file that can be read"),
        (b"", "must name a file with a text, found none"),
        (b" \n\t\xef\xbb\xbf".strip(), "must name a file with a text, found none"),
        (b"\xff\xfep\x00", "names a file that is not UTF-8"),
        (b"a\x00b", "must name a file without control characters"),
        (b"a" * 65_537, "names a file that is larger than 65536 bytes"),
    ],
    ids=["missing", "empty", "white space", "not UTF-8", "control character", "too large"],
)
def test_unusable_system_prompt_is_a_fault_among_the_others(environment, tmp_path, content, fault):
    file = tmp_path / "prompt.txt"
    if content is not None:
        file.write_bytes(content)
    found = faults(environment | {"SYSTEM_PROMPT_FILE": str(file), "MAX_RUNS": "-1"}).faults
    place = "" if content is None else f' (the file "{file}")'
    assert sorted(found)[1:] == [f"SYSTEM_PROMPT_FILE {fault}{place}"]


@pytest.mark.parametrize("path", ["/dev/zero", "/", "x" * 5_000])
def test_system_prompt_must_be_a_regular_file(environment: dict[str, str], path: str) -> None:
    [fault] = faults(environment | {"SYSTEM_PROMPT_FILE": path}).faults
    assert fault == "SYSTEM_PROMPT_FILE must name a file that can be read"


def test_system_prompt_of_64_kib_is_accepted(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_bytes(b"a" * 65_536)
    assert read_settings(environment | {"SYSTEM_PROMPT_FILE": str(file)}).system_prompt_file == "a" * 65_536
