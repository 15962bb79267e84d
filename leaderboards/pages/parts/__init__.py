"""What several pages are made of: tables, heads, links, costs as they stand in a cell."""
