"""Whole tiles, predicted as in production and judged: the step of the pipeline and what it writes."""
