"""The fingerprint of the weights that a network starts from: equal paths do not mean equal files."""

import hashlib

import tensorflow as tf

from components.errors import MissingFileError

_BLOCK_BYTES = 1 << 22


def weights_digest(pretrained: str) -> str:
    """The SHA-256 of the file that `network.pretrained` names, 64 hex digits.

    Args:
        pretrained: `none` and `imagenet` (whose files Keras itself checks) give the empty string; or a path.

    Raises:
        MissingFileError: If there is no such file.
    """
    if pretrained in ("none", "imagenet"):
        return ""
    if not tf.io.gfile.exists(pretrained) or tf.io.gfile.isdir(pretrained):
        raise MissingFileError(
            f"network.pretrained names {pretrained}, which is no file here",
            "a file of weights (.h5, .weights.h5, .keras, .caffemodel), imagenet, or none",
            "correct the path",
        )
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(pretrained, "rb") as source:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
