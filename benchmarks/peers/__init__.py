"""References for the agent: agents without its identity layer, written as their libraries document."""
