"""The configuration with which Aegra serves the graphs of LangGraph SDK's suite."""

import json
from pathlib import Path

from plugins.aegra.tests.apart.aegra_process import ROOT
from plugins.aegra.tests.sdk_referee import configuration


def test_guarded_aegra_has_the_graphs_of_the_suite_and_all_else_of_its_own(tmp_path: Path) -> None:
    own = json.loads((ROOT / "aegra.json").read_text(encoding="utf-8"))
    made = configuration(own, tmp_path)
    assert made["graphs"].keys() == {"agent", "tools_agent", "factory_agent"}
    assert Path(made["auth"]["path"].partition(":")[0]).is_file()
    assert {name: made[name] for name in ("http", "checkpointer")} == {
        name: own[name] for name in ("http", "checkpointer")
    }
    assert configuration({}, tmp_path).keys() == {"graphs"}
