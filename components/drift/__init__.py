"""How far imagery and maps are from what a model was trained on: histograms, their divergence, and the reference."""
