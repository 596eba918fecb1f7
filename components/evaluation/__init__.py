"""How good a model is, from counts that are summed and divided once, and whether that is good enough to push it."""
