"""People read a title in place of each name of the tools that this project declares itself."""

import json
from pathlib import Path

import sandbox.amap
from agent.settings.built_in_titles import AMAP

TOOLS = json.loads(Path(sandbox.amap.__file__).with_name("tools.json").read_text(encoding="utf-8"))


def test_each_argument_of_a_tool_of_amap_has_a_title():
    named = {(tool["name"], argument) for tool in TOOLS for argument in tool["inputSchema"]["properties"]}
    titled = {(tool, argument) for tool, titles in AMAP.items() for argument in titles.arguments}
    assert named - titled == set()
