"""The training worker."""
