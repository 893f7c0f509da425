"""The defaults in SECURITY.md are those of the settings."""

from pathlib import Path
from typing import Any

import pytest

from agent.settings.settings import variables

SECTION = (
    (Path(__file__).parents[3] / "SECURITY.md")
    .read_text(encoding="utf-8")
    .partition("## Safe defaults")[2]
    .partition("\n## ")[0]
)
WORDS = {
    "AGENT_HOST": ("127.0.0.1", "listens on `127.0.0.1`"),
    "CORS_ALLOWED_ORIGINS": (
        ("http://localhost:9001", "http://127.0.0.1:9001"),
        "`http://localhost:9001` and `http://127.0.0.1:9001`",
    ),
    "MAX_BODY_BYTES": (2**20, "1 MiB a body"),
    "MAX_HEADER_BYTES": (2**15, "32 KiB of headers"),
    "MAX_MESSAGES": (200, "200 messages"),
    "MAX_REQUESTS_PER_MINUTE": (120, "120 requests a minute"),
    "MAX_CONCURRENT_RUNS": (10, "10 runs at once"),
    "MAX_USER_BYTES": (2**29, "512 MiB and 10,000 conversations of one user"),
    "MAX_USER_THREADS": (10_000, "512 MiB and 10,000 conversations of one user"),
    "MAX_THREAD_BYTES": (2**25, "32 MiB and 10,000 messages of one conversation"),
    "MAX_THREAD_MESSAGES": (10_000, "32 MiB and 10,000 messages of one conversation"),
    "MAX_TOOL_ROUNDS": (8, "8 rounds of tools"),
    "RUN_TIMEOUT_SECONDS": (180, "180 s a run"),
    "MODEL_TIMEOUT_SECONDS": (90, "90 s a call of the model"),
    "TOOL_TIMEOUT_SECONDS": (30, "30 s of a tool"),
}


@pytest.mark.parametrize(("name", "value", "words"), [(name, *words_of) for name, words_of in WORDS.items()])
def test_defaults_equal_those_of_security_md(name: str, value: Any, words: str) -> None:
    assert variables()[name] == value
    assert words in SECTION
    assert f"`{name}`" in SECTION
