"""The first page of a board, and of a site with several boards."""
