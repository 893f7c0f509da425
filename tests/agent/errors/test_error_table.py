"""Each layer owns its codes: every code is listed once, with its row, and no layer names what is above it."""

import ast
import tomllib
from enum import EnumMeta
from pathlib import Path

import pytest

from agent.errors.error_codes import AgentCode
from agent.errors.error_table import ERROR_CODES, ERROR_TABLE, for_operators
from agent.settings.plugin_variables import plugin_groups
from agent.settings.settings import variable_groups, variables
from graph.error_codes import GraphCode
from identity.error_codes import IdentityCode
from identity.errors import AgentError, ErrorCode, InsufficientScopeError, ServiceError
from tools.error_codes import ToolCode

ROOT = Path(__file__).parents[3]
LAYERS = ["identity", "tools", "graph"]
OF_SERVICES_FILE = ("service_declarations.py", "services_file.py")
"""The form of SERVICES_FILE: its descriptions and faults name the variables that change what it means."""
TEXTS = {
    AgentCode: ROOT / "agent" / "errors" / "errors.toml",
    GraphCode: ROOT / "graph" / "errors.toml",
    IdentityCode: ROOT / "identity" / "errors.toml",
    ToolCode: ROOT / "tools" / "errors.toml",
}
BUSY = """
[busy]
symptom = "The agent is busy"
cause = "there is too much to do"
remedy = "wait"
person = "The agent is busy. Wait"
"""


def strings_of(file: Path) -> list[str]:
    """The string constants of a module, but not its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements
    ]


@pytest.mark.parametrize(("codes", "file"), TEXTS.items())
def test_file_of_a_layer_has_the_texts_of_its_codes_in_their_order(codes: EnumMeta, file: Path):
    assert list(tomllib.loads(file.read_text(encoding="utf-8"))) == list(codes)


@pytest.mark.parametrize("texts", ["", BUSY + BUSY.replace("busy", "idle")], ids=["neither", "one more"])
def test_code_without_texts_or_texts_without_a_code_stop_the_import(texts: str, tmp_path: Path):
    file = tmp_path / "errors.toml"
    file.write_text(texts, encoding="utf-8")
    with pytest.raises(ValueError, match=r"errors\.toml.*: (busy|idle)$"):

        class _Code(ErrorCode, texts=file):
            BUSY = "busy"


def test_code_of_two_names_stops_the_import(tmp_path: Path):
    file = tmp_path / "errors.toml"
    file.write_text(BUSY, encoding="utf-8")
    with pytest.raises(ValueError, match="a code of two names: OCCUPIED"):

        class _Code(ErrorCode, texts=file):
            BUSY = "busy"
            OCCUPIED = "busy"


@pytest.mark.parametrize("code", ERROR_CODES)
def test_row_has_words_for_its_readers(code: ErrorCode):
    row = code.row
    words = (row.symptom, row.cause, row.remedy, row.person, row.unnamed_settings)
    assert [word for word in words if not isinstance(word, str) or not word.strip()] == []
    assert isinstance(row.caused_by_callers, bool)


def test_row_takes_no_member_that_it_does_not_know(tmp_path: Path):
    file = tmp_path / "errors.toml"
    file.write_text(BUSY.replace("symptom", "sympton"), encoding="utf-8")
    with pytest.raises(TypeError, match="sympton"):

        class _Code(ErrorCode, texts=file):
            BUSY = "busy"


def test_no_code_is_declared_twice():
    assert len({*ERROR_CODES}) == len(ERROR_CODES) == len(ERROR_TABLE)


def test_codes_of_every_layer_are_in_the_table():
    declared = [member for layer in ErrorCode.__subclasses__() for member in layer.__members__.values()]
    assert {each for each in declared if type(each).__module__.split(".")[0] != "tests"} == {*ERROR_CODES}


@pytest.mark.parametrize("code", ERROR_CODES)
def test_code_is_the_lower_case_name_of_its_member(code: ErrorCode):
    assert code.value == code.name.lower()


@pytest.mark.parametrize("code", ERROR_CODES)
def test_row_has_no_placeholder_left(code: ErrorCode):
    assert "{" not in ERROR_TABLE[code].remedy
    assert "{" not in AgentError(code, "x").row.remedy


def settings_above(layer: str) -> set[str]:
    """The names of the settings that no group of `layer` declares."""
    own = {
        name
        for group in variable_groups()
        if group.__module__.startswith(f"{layer}.")
        for name in group.model_fields
    }
    return {name for name in variables() if name.lower() not in own}


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_names_no_setting_that_another_layer_reads(layer: str):
    settings = settings_above(layer)
    named = [
        (str(file.relative_to(ROOT)), setting)
        for file in (ROOT / layer).rglob("*.py")
        if file.name not in OF_SERVICES_FILE
        for text in strings_of(file)
        for setting in settings
        if setting in text
    ]
    assert named == []
    texts = (ROOT / layer / "errors.toml").read_text(encoding="utf-8")
    assert [setting for setting in settings if setting in texts] == []


def test_no_text_of_the_agent_names_a_variable_of_a_plug_in():
    texts = TEXTS[AgentCode].read_text(encoding="utf-8")
    of_plug_ins = [name.upper() for group in plugin_groups() for name in group.model_fields]
    assert [name for name in of_plug_ins if name in texts] == []


@pytest.mark.parametrize("layer", [*LAYERS, "agent", "plugins"])
def test_base_error_is_never_raised(layer: str):
    texts = {file: file.read_text(encoding="utf-8") for file in (ROOT / layer).rglob("*.py")}
    raised = [
        str(file.relative_to(ROOT))
        for file, text in texts.items()
        if "AgentError(" in text  # parsing all files takes seconds
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "AgentError"
    ]
    assert raised == []


def test_operators_read_the_setting_that_the_agent_reads():
    error = for_operators(InsufficientScopeError(IdentityCode.INSUFFICIENT_SCOPE, "missing"))
    assert error.row.remedy.startswith("check AGENT_SCOPE and ")
    assert isinstance(error, InsufficientScopeError)


def test_operators_read_the_settings_of_a_declared_service():
    error = ServiceError(ToolCode.EXTERNAL_SERVICE_FAILED, "down").of("maps", ["services.maps"])
    assert for_operators(error).row.remedy.startswith("check services.maps, and ")


def test_code_finds_its_row_by_its_text():
    assert ERROR_TABLE["overloaded"] == AgentCode.OVERLOADED.row
