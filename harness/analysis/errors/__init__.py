"""Error analysis, from saved predictions: where an arm is wrong, in which way, and how surely."""
