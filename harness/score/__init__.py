"""From completions to predictions and results."""
