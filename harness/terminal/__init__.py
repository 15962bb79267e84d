"""What the program says, and the one place that text of others passes on its way to a terminal or a log."""
