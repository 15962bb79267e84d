"""The figures of a board for reuse."""
