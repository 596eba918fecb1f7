"""The embedded model server: the stock `tensorflow_model_server`'s twin, from pip packages alone."""
