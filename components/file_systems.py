"""Paths that are no local files: which they are, and the plugin that TensorFlow needs for them."""

OBJECT_STORES = ("s3://", "az://", "gs://", "hdfs://", "viewfs://")


def is_object_store(path: str) -> bool:
    """Whether a path is one of an object store or a distributed file system."""
    return path.startswith(OBJECT_STORES)


def load_file_system(path: str) -> None:
    """Makes `tf.io` know the file system of a path.

    tensorflow-io is imported only where a path needs it: once its S3 client was used, the process aborts at exit
    ("pure virtual method called"), which `tfx_pipeline.cli.main` keeps from being seen.
    """
    if path.startswith(("s3://", "az://", "hdfs://", "viewfs://")):
        import tensorflow_io  # noqa: F401 registers the file systems
