"""What `eoseg bench train` compares: the usual Keras SegNet, a count of operations, steps, memory and records."""
