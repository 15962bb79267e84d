"""What each page says, as plain data; the templates only lay it out."""
