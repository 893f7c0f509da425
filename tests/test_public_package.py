"""`idaas_agent` is what other people import: its names are frozen, and documents use nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import idaas_agent
from scripts import public_names

ROOT = Path(__file__).parent.parent
PUBLIC = """
READS Access AccessIdentity AccessTokenError AccessTokenRequirement AgentError AgentState ApiKeyRequirement
ApprovalMode ArgumentFault ArgumentRule Caller ChatModelProvider CloudRoleRequirement ConfigurationError
Credential CredentialError CredentialRequirement Data Effect ErrorCode GraphCode GraphParts HTTPService
Identity IdentityContext IssuedJwtRequirement IssuerRequirement MCPService ModelProvider NodeContext
OAuthTokenRequirement Piece Principal ResponseReader Secret Service ServiceClient ServiceError ToolCode
ToolPolicy ToolResult ToolSchema Trust __version__ build_graph progress
"""
"""A name is added here when it becomes public; one that goes was announced in the changelog of a version."""
PAGES = [
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
    ROOT / "README.md",
    *sorted(ROOT.glob("examples/**/*.py")),
]
PRIVATE = re.compile(r"^\s*(?:from|import) (?:agent|graph|identity|plugins|tools|sandbox)\b.*$", re.MULTILINE)


def test_public_names_are_frozen_few_and_there() -> None:
    assert idaas_agent.__all__ == sorted(PUBLIC.split())
    assert len(idaas_agent.__all__) <= 47
    for name in idaas_agent.__all__:
        assert getattr(idaas_agent, name)


def test_page_of_names_says_what_the_code_says_of_each() -> None:
    page = (ROOT / "docs" / "names.md").read_text("utf-8")
    made, written = (re.sub(r"\nIn use: .*\n", "", text) for text in (public_names.page(), page))
    assert made == written, "run: .venv/bin/python scripts/sync_docs.py"
    documented = re.findall(r"^### `(\w+)`$", page, re.MULTILINE)
    assert {*idaas_agent.__all__} - {"__version__"} <= {*documented}


def test_private_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="AuditTrail"):
        idaas_agent.AuditTrail  # noqa: B018 - imports it


def test_importing_it_imports_nothing_else_of_the_project() -> None:
    code = "import sys, idaas_agent; print(*sorted(m for m in sys.modules if m.split('.')[0] in sys.argv))"
    inner = ["agent", "graph", "http1", "identity", "plugins", "tools", "sandbox"]
    printed = subprocess.run([sys.executable, "-c", code, *inner], cwd=ROOT, capture_output=True, check=True)  # noqa: S603 - this test's own command
    assert printed.stdout.strip() == b""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documents_import_the_public_package_only(page: Path) -> None:
    assert PRIVATE.findall(page.read_text("utf-8")) == []
