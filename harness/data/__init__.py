"""From rows to checked samples."""
