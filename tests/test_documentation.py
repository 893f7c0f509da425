"""The documentation says what the code says."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent
SYNC = str(ROOT / "scripts" / "sync_docs.py")


def test_every_copied_part_of_the_readme_equals_its_source():
    synced = runpy.run_path(SYNC)["synced"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert synced(readme) == readme, f"run: .venv/bin/python {SYNC}"


def test_every_variable_is_described_as_the_settings_describe_it():
    configuration = runpy.run_path(SYNC)["configuration"]
    described = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert configuration() == described, f"run: .venv/bin/python {SYNC}"


def test_every_local_link_of_the_readme_leads_somewhere():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
