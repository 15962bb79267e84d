"""The parts of the training worker, `harness.train`: each imported by it alone."""
