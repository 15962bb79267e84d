"""From pages to a folder of files."""
