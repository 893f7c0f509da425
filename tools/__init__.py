"""The agent's abilities: services, their tools, and the credential that each service declares.

May import `identity`.
Begin at `service`, the protocol of a service; `leave` adds a tool to a service and is an example to copy.
"""

from typing import Final

VERSION: Final = "0.1.0"
"""The version of the product. An installed tree and a package have no metadata that could contain it."""
