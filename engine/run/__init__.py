"""From a plan to what it trains: an adapter, or a whole model."""
