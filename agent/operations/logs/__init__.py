"""The lines of the log: their formats, and the setup of logging for a process.

May import the layers below the agent.
Begin at `log_setup`; the formats are in `json_lines` and `text_lines`.
"""
