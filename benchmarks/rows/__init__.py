"""One module for each row of the table. It has `measure(bench) -> Iterable[Figure]`."""
