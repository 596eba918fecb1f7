"""Truth with eroded boundaries in the graph: the same as `components.evaluation.erosion`, patch by patch.

A patch does not know what lies beyond its edge, so a boundary just outside it erodes nothing inside.
"""

from math import isqrt

import tensorflow as tf

from components.classes import MAX_CLASSES, VOID_ID


def eroded_label(label: tf.Tensor, radius: int) -> tf.Tensor:
    """The label with `VOID_ID` wherever another class lies within `radius` pixels.

    Args:
        label: `(batch, height, width)` uint8 class ids; ids of `MAX_CLASSES` and above are void and stay.
        radius: In pixels; 0 changes nothing.

    Returns:
        `(batch, height, width)` uint8.
    """
    is_void = label >= MAX_CLASSES
    smallest = label
    largest = tf.where(is_void, tf.zeros_like(label), label)
    # Outside the patch, and in void, stands what neither the smallest nor the largest takes.
    low = _padded(label, radius, VOID_ID)
    high = _padded(largest, radius, 0)
    height, width = label.shape[1], label.shape[2]
    for rows in range(-radius, radius + 1):
        reach = isqrt(radius * radius - rows * rows)
        for cols in range(-reach, reach + 1):
            row, col = radius + rows, radius + cols
            smallest = tf.minimum(smallest, low[:, row : row + height, col : col + width])
            largest = tf.maximum(largest, high[:, row : row + height, col : col + width])
    return tf.where(is_void | (smallest == largest), label, tf.constant(VOID_ID, tf.uint8))


def _padded(values: tf.Tensor, radius: int, constant: int) -> tf.Tensor:
    paddings = [[0, 0], [radius, radius], [radius, radius]]
    return tf.pad(values, paddings, constant_values=tf.constant(constant, values.dtype))
