"""SegNet (Badrinarayanan, Kendall, Cipolla 2017) in `keras.ops`: it runs on every Keras backend and under XLA."""
