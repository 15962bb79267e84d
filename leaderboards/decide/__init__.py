"""What follows for a reader: scenarios, decisions, the verdict."""
