"""`python -m benchmarks.scaling` replaces the tables of `docs/scaling.md`; a test fails while they differ."""

from benchmarks.scaling.document import PAGE, written

if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
