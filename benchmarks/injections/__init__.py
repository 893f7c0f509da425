"""AgentDojo's tasks and attacks against the agent, with a model that obeys every injection.

`make injections` installs AgentDojo beside the agent and writes the figures of `docs/injections.md`. Tools,
data, tasks and judges are AgentDojo's; the agent is the real one, over HTTP, with the files of `services/`.
Begin at `suite_run`.
"""
