"""A place for temporary files that goes with the process: Beam, TFX and AutoGraph leave theirs behind."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def temporary_folder() -> Iterator[str]:
    """Makes a folder the one for temporary files, of this process and of those that it starts, while the block runs.

    It is removed when the process ends, after all that the block has left for its end: Beam stops its job servers
    there, and fails to if their folders are gone.
    """
    folder = tempfile.mkdtemp(prefix="eoseg-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    variable, folder_before = os.environ.get("TMPDIR"), tempfile.tempdir
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    try:
        yield folder
    finally:
        tempfile.tempdir = folder_before
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable
