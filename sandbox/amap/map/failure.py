"""How a tool of the map fails: as a result with `isError` and a text, never as an HTTP error."""

NOT_FOUND = "ENGINE_RESPONSE_DATA_ERROR"
INVALID = "INVALID_PARAMS"
MISSING = "MISSING_REQUIRED_PARAMS"
TOO_FAR = "OVER_DIRECTION_RANGE"


class ToolError(Exception):
    """The text is what the client sees: `ToolError("Geocoding", INVALID)` says `Geocoding failed: …`."""

    def __init__(self, what: str, code: str | None = None) -> None:
        super().__init__(f"{what} failed: {code}" if code else what)
