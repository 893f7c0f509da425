"""One module for each row of the table, with `measure(bench) -> Iterable[Figure]`."""
