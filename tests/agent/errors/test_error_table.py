"""Each layer owns its codes: every code is listed once, with its row, and no layer names what is above it."""

import ast
from pathlib import Path

import pytest

from agent.errors.error_codes import AgentCode
from agent.errors.error_table import ERROR_CODES, ERROR_TABLE, for_operators
from agent.settings.settings import variables
from identity.error_codes import IdentityCode
from identity.errors import AgentError, ErrorCode, InsufficientScopeError, ServiceError
from tools.error_codes import ToolCode

ROOT = Path(__file__).parents[3]
LAYERS = ["identity", "tools", "graph"]


def strings_of(file: Path) -> list[str]:
    """The string constants of a module, but not its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements
    ]


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


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_names_no_setting_of_the_agent(layer: str):
    settings = variables().keys()
    named = [
        (str(file.relative_to(ROOT)), setting)
        for file in (ROOT / layer).rglob("*.py")
        for text in strings_of(file)
        for setting in settings
        if setting in text
    ]
    assert named == []


@pytest.mark.parametrize("layer", [*LAYERS, "agent", "plugins"])
def test_base_error_is_never_raised(layer: str):
    raised = [
        str(file.relative_to(ROOT))
        for file in (ROOT / layer).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
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
