"""Tasks of lm-evaluation-harness as plugins: the only folder that knows it."""
