"""Plain draws: the streaming engine, what it estimates, who computes, and how a run is resumed."""
