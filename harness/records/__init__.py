"""What lies on disk of finished work, and how it is written and read."""
