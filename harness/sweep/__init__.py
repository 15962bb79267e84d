"""What a person declares of a sweep, and the runs that it means."""
