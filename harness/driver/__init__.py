"""The sweep: every run brought to its result."""
