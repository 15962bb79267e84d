"""Scores that other programs gave."""
