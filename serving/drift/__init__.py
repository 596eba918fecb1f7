"""Whether what is mapped is still what the model was trained on: a small file a map, and what they say together."""
