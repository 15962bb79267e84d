"""Decision-boundary analysis: how near another answer is, and what changes an answer."""
