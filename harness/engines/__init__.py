"""Engines answer prompts with one base model and all its arms, without restarting."""
