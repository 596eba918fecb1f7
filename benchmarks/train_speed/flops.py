"""How many floating-point operations a training step's convolutions take, from their shapes.

One multiplication and one addition are two operations. Of a convolution with a kernel of k x k pixels, c channels in, n
out and a picture of height x width out:

    forward                     2 * k * k * c * n * height * width
    gradient of the kernel      as many
    gradient of the picture     as many, unless nothing before the convolution is trained

Places of the kernel beyond the picture's rim count, as is usual. Everything else (normalisation, ReLU, pooling, loss,
optimiser) is not counted: it is what keeps a step from the rate of its convolutions.
"""

from dataclasses import dataclass
from math import prod

import keras


@dataclass(frozen=True)
class StepOperations:
    """Floating-point operations of one patch.

    Attributes:
        forward: Of the convolutions' results.
        backward: Of the gradients of their kernels and pictures.
    """

    forward: int
    backward: int

    @property
    def total(self) -> int:
        """Of a step, for one patch."""
        return self.forward + self.backward


def convolution_operations(kernel: tuple[int, int, int, int], height: int, width: int) -> int:
    """Of one convolution's forward pass on one patch.

    Args:
        kernel: Shape (height, width, channels in, channels out).
        height, width: Of the result.
    """
    return 2 * prod(kernel) * height * width


def step_operations(model: keras.Model) -> StepOperations:
    """Of a training step of a network of plain convolutions, for one patch.

    Args:
        model: Functional; the layers stand in the order in which they compute. The first convolution is the one on the
            image.

    Raises:
        TypeError: If a layer has a kernel and is no `Conv2D`.
    """
    forward = backward = 0
    trained_before = False
    for layer in model.layers:
        if type(layer) is keras.layers.Conv2D:
            _, height, width, _ = layer.output.shape
            operations = convolution_operations(tuple(layer.kernel.shape), height, width)
            forward += operations
            backward += operations * (2 if trained_before else 1)
            trained_before = True
        elif hasattr(layer, "kernel") or hasattr(layer, "depthwise_kernel"):
            raise TypeError(f"{layer.name} is a {type(layer).__name__}; only Conv2D is counted")
    return StepOperations(forward, backward)
