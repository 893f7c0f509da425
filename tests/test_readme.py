"""The README says what the code says."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_copied_part_of_the_readme_equals_its_source():
    synced = runpy.run_path(str(ROOT / "scripts" / "sync_readme.py"))["synced"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert synced(readme) == readme, "run: .venv/bin/python scripts/sync_readme.py"


def test_every_local_link_of_the_readme_leads_somewhere():
    import re

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
