"""The documentation agrees with the code."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent
SYNC = str(ROOT / "scripts" / "sync_docs.py")


def test_every_copied_part_of_the_readme_equals_its_source():
    synced = runpy.run_path(SYNC)["synced"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert synced(readme) == readme, f"run: .venv/bin/python {SYNC}"


def test_the_page_of_errors_has_the_error_table():
    errors = runpy.run_path(SYNC)["errors"]
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert "<!-- error table -->" in page
    assert errors(page) == page, f"run: .venv/bin/python {SYNC}"


def test_the_page_of_observability_has_every_metric():
    observability = runpy.run_path(SYNC)["observability"]
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    assert "<!-- metrics -->" in page
    assert observability(page) == page, f"run: .venv/bin/python {SYNC}"


def test_every_variable_is_described_as_the_settings_describe_it():
    configuration = runpy.run_path(SYNC)["configuration"]
    described = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert configuration() == described, f"run: .venv/bin/python {SYNC}"


def test_every_local_link_of_the_readme_exists():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_file_named_in_the_documents_exists():
    named = re.compile(
        r"`((?:agent|benchmarks|docs|frontend|graph|identity|sandbox|scripts|tests|tools)/[\w/.-]+)`"
    )
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    wrong = {
        f"{document.name}: {name}"
        for document in documents
        for name in named.findall(document.read_text(encoding="utf-8"))
        if not (ROOT / name).exists() and "benchmarks/results" not in name
    }
    assert not wrong


def test_every_link_of_the_documents_exists():
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)")
    wrong = {
        f"{document.name}: {target}"
        for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in link.findall(document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    }
    assert not wrong
