"""Tiles into records: one patch, one serialised `tf.train.Example`, in a split decided by place on the ground."""
