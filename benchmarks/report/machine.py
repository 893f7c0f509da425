"""The machine and the library versions of a run."""

import importlib.metadata
import os
import platform
from pathlib import Path

_LIBRARIES = (
    "fastapi",
    "httpx",
    "langchain-core",
    "langchain-openai",
    "langgraph",
    "langserve",
    "mcp",
    "openai",
    "pydantic",
    "pyjwt",
    "starlette",
    "uvicorn",
    "uvloop",
)


def machine() -> dict[str, str]:
    """Processor, cores, load, system, Python, and the versions of the libraries that cost most."""
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "load before": load,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": libraries,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
