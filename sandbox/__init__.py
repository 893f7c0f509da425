"""Stand-ins for the cloud that speak the real wire protocols, so that everything runs offline.

One process: IDaaS (sign-in, tokens, keys), its Developer API (PAM), Model Studio, the Amap MCP server and
Function Compute. Written from the services' documentation and sharing no code with the agent, so that a
misreading on one side shows. `sandbox.server` starts it; `README.md` in this folder says what can be changed
while it runs. For development and tests on one's own machine only: it is no identity provider.
"""
