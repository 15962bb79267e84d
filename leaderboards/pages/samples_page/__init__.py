"""The pages of a task's test samples, and what the arms of a model answered to them."""
