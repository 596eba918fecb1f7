"""A whole tile to rows of its map: windows, overlap, blending. Who scores the patches is a parameter.

`eoseg predict` gives the model server's client as the scorer; an evaluation of whole tiles gives the network itself.
Neither TensorFlow nor Beam nor TFX is imported here.
"""
