"""From results to a ranking."""
