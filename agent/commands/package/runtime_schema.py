"""What this package writes into `s.yaml` fits the components `agentrun` (1.0.12) and `fc3` (0.1.22).

`runtime_schema.json` has their members that are written, no others: the components pass unknown ones in
places, or only log a fault. Limits that only the API states are included.
"""

import json
from pathlib import Path
from typing import Any, Final

_SCHEMA: Final = Path(__file__).with_name("runtime_schema.json")


def agentrun_faults(document: Any) -> list[str]:  # noqa: ANN401 - whatever YAML contains
    """Every fault of an `s.yaml` for the component `agentrun`, each with its path."""
    found = _faults(document, "agentrun")
    return found or _size_faults(document["resources"]["agent"]["props"]["agent"], "memory")


def fc_faults(document: Any) -> list[str]:  # noqa: ANN401 - whatever YAML contains
    """Every fault of an `s.yaml` for the component `fc3`, each with its path."""
    return _faults(document, "fc3") or _size_faults(document["resources"]["service"]["props"], "memorySize")


def _faults(document: object, component: str) -> list[str]:
    """By the schema; where it has a description, that is the fault's text."""
    from jsonschema import Draft202012Validator

    definitions = json.loads(_SCHEMA.read_text("utf-8"))["$defs"]
    validator = Draft202012Validator({"$ref": f"#/$defs/{component}", "$defs": definitions})
    return [
        f"s.yaml{error.json_path[1:]}: {error.schema.get('description', error.message)}"
        for error in sorted(validator.iter_errors(document), key=lambda error: error.json_path)
    ]


def _size_faults(function: Any, memory: str) -> list[str]:  # noqa: ANN401 - checked before
    """Function Compute allows steps of 0.05 cores, and 1 to 4 GB of memory for each core."""
    cpu, ratio = function["cpu"], function[memory] / 1024 / function["cpu"]
    if abs(cpu * 20 - round(cpu * 20)) > 1e-9:
        return [f"cpu must be a multiple of 0.05, found {cpu:g}"]
    return [] if 1 <= ratio <= 4 else [f"cpu and {memory} must be from 1:1 to 1:4, found 1:{ratio:.2f} GB"]
