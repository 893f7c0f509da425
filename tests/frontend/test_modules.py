"""The page's modules under Node's own test runner, and its texts compared with the agent's error table."""

import json
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

from agent.errors.error_table import ERROR_TABLE
from identity.credentials.rights import LABELS, rights_of
from identity.printable import printable

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"
NODE = shutil.which("node") or "node"


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own files
        [NODE, *arguments], cwd=FRONTEND, capture_output=True, text=True, timeout=60, check=False
    )


def test_modules_pass_their_tests():
    files = sorted(path.name for path in (FRONTEND / "tests").glob("*.test.js"))
    # In one process, because a process for each file needs ten times as long.
    imports = "".join(f"await import('./tests/{file}');" for file in files)
    result = node("--input-type=module", "--eval", imports)
    assert result.returncode == 0, result.stdout
    assert int(re.findall(r"^# pass (\d+)$", result.stdout, re.MULTILINE)[-1]) >= len(files)


def test_the_page_and_the_terminal_replace_the_same_characters():
    script = (
        "import('./printable.js').then(({printable}) => console.log(JSON.stringify("
        "[...Array(0x10000).keys()].filter((code) => printable(String.fromCharCode(code))"
        " !== String.fromCharCode(code)))))"
    )
    replaced = set(json.loads(node("--input-type=module", "-e", script).stdout))
    # Python and the browser have versions of Unicode of their own, and escape what these have not assigned.
    assigned = {code for code in range(0x10000) if unicodedata.category(chr(code)) != "Cn"}
    assert replaced & assigned == {code for code in assigned if printable(chr(code)) != chr(code)}


def test_the_page_and_the_agent_say_alike_whose_rights_a_call_uses():
    kinds = ["api_key", "access_token", "issued_jwt", "oauth_token", "cloud_role", "seal"]
    several = [None, *kinds, *(f"{one} {other}" for one in kinds for other in kinds)]
    asked = [(identity, kind) for identity in ("Human", "Machine", None, "Other") for kind in several]
    script = (
        f"const asked = {json.dumps(asked)};"
        "import('./view/identity.js').then(({identityOf}) => console.log(JSON.stringify("
        "asked.map(([access_identity, credential_kind]) => identityOf({access_identity, credential_kind})))))"
    )
    assert json.loads(node("--input-type=module", "-e", script).stdout) == [
        rights_of(*each) for each in asked
    ]


def messages() -> dict[str, dict[str, str]]:
    script = (
        "import('./language/language.js').then(async ({LANGUAGES, MESSAGES, loaded}) => {"
        "await Promise.all(Object.keys(LANGUAGES).map(loaded)); console.log(JSON.stringify(MESSAGES))})"
    )
    found: dict[str, dict[str, str]] = json.loads(node("--input-type=module", "-e", script).stdout)
    return found


def test_the_page_and_the_agent_show_the_same_text_for_an_error():
    english = messages()["en"]
    for code, row in ERROR_TABLE.items():
        shown = f"{english.get(f'error.{code}.symptom')}. {english.get(f'error.{code}.remedy')}"
        assert shown == row.person, (
            f"frontend/language/en-errors.js and zh-errors.js need 'error.{code}.symptom' and '….remedy'"
        )


def test_the_page_and_the_terminal_name_the_rights_of_a_call_in_the_same_words():
    english = messages()["en"]
    assert {rights: english[f"identity.{rights}"] for rights in LABELS} == LABELS


def test_only_the_pages_configuration_faults_have_texts_for_operators():
    variable = re.compile(r"[A-Z]{2,}_[A-Z_]+|config\.js|Endpoint\b|\bclientId\b")
    for texts in messages().values():
        found = {key for key, text in texts.items() if variable.search(text)}
        assert {key for key in found if not key.startswith("configuration.")} == set()


def test_the_lock_file_names_no_registry():
    lock = json.loads((FRONTEND / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
