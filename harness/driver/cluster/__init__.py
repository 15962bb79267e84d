"""Sweeps on a Ray cluster: its nodes, what they are sent and tell, and where weights go."""
