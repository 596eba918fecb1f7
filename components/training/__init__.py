"""From records to a trained network and its exported SavedModel."""
