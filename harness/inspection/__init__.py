"""Passes of an arm's weights over single samples: what saved predictions cannot tell."""
