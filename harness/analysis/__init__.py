"""Why an arm scores as it does, from saved predictions: pure functions, without a model."""
