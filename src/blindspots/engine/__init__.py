"""Runs a method on a model: the only loop over steps, and the only place that asks the model."""
