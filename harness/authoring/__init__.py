"""What helps the author of a task: a first draft, and checks."""
