"""What a chat costs, by each surface, and the calls of services in it, compared with a floor or a peer."""
