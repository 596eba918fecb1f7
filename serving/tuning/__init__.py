"""Finds how a model is best served on this machine: measures, then decides."""
