"""Rasters, windows and patches: pixels with their place on the ground. Imports neither TensorFlow, Beam nor TFX."""
