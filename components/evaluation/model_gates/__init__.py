"""The step that judges a model by all its gates."""
