"""One module for each row of the table, with `measure(bench) -> Iterable[Figure]`.

A row is in the folder of what it measures: a chat, identity, or the process. A new module is a new row.
Begin at `chat.warm_chat`, a short one.
"""

import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MODULES: Final[Mapping[str, str]] = MappingProxyType(
    dict(
        sorted(
            (module.name.rpartition(".")[2], module.name)
            for module in pkgutil.walk_packages(__path__, f"{__name__}.")
            if not module.ispkg
        )
    )
)
"""The name of each row → its module. Rows are not imported."""
