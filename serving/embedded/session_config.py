"""The `ConfigProto` that models run under: threads and GPU memory, from the flags and from a file."""

from typing import Any

import tensorflow as tf

from serving.config_text import parse_message, read_config_text
from serving.embedded.options import ServerOptions


def session_config(options: ServerOptions) -> Any:
    """The `tf.compat.v1.ConfigProto` for all models of a server.

    Raises:
        ConfigError: If `tensorflow_session_config_file` cannot be used.
    """
    config = tf.compat.v1.ConfigProto()
    config.gpu_options.allow_growth = not options.per_process_gpu_memory_fraction
    if file := options.tensorflow_session_config_file:
        text = read_config_text(file, "a session config file")
        config = parse_message(text, tf.compat.v1.ConfigProto(), file, "intra_op_parallelism_threads: 2")
    both = options.tensorflow_session_parallelism
    if intra := options.tensorflow_intra_op_parallelism or both:
        config.intra_op_parallelism_threads = intra
    if inter := options.tensorflow_inter_op_parallelism or both:
        config.inter_op_parallelism_threads = inter
    if options.per_process_gpu_memory_fraction:
        config.gpu_options.per_process_gpu_memory_fraction = options.per_process_gpu_memory_fraction
    return config
