"""How good a model is, from one summed confusion matrix, and whether that is good enough to push it."""
