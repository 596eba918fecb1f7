"""The report of a run: one HTML page that a person opens from disk to see how good the model is."""
