"""Find and load tasks."""
