"""Where an exception was raised, for the log: unlike its text, the place contains no value."""


def place_of(error: BaseException) -> str:
    """File and line of the innermost frame: `/srv/agent/run.py:12`, or `?` if it was not raised."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "?"
