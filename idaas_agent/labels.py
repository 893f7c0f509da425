"""Names for a tool of your own that labels its results by the documents in them (`docs/labels.md`)."""

from tools.result_labels import label_result as label_result

__all__ = ["label_result"]
