"""What the agent is measured against: agents without its identity layer, as a competent user writes them."""
