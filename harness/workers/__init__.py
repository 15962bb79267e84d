"""The driver and its worker processes: what they tell each other."""
