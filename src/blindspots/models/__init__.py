"""Models: the classifier that owns normalisation and geometry, and where models come from."""
