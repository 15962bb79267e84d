"""The geometry of charts, as plain numbers; templates draw them."""
