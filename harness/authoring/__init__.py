"""What helps the author of a task: a first draft, checks, and people's reviews."""
