"""The records' scalar features: which ones are looked at, and what stops a run."""
