"""AG-UI 1.0, the protocol of CopilotKit and `@ag-ui/client`: its route, and the wire form of runs.

May import the modules at the top of `agent.api`.
Begin at `routes`; `run_input` reads a request body, `encoder` writes the events of a run.
"""
