"""A model server under load while everything happens to it: the parts of `bench_load.py` and of its test."""
