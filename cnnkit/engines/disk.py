"""Whether a disk still takes what a native writer could not say why it did not write."""

import os
import tempfile
from pathlib import Path

_BLOCK = 1 << 20


def takes(folder: Path, size: int) -> bool:
    """Whether a file of `size` bytes can be written into `folder`; it is gone afterwards.

    It is really written: free space as reported knows nothing of quotas and size limits.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            for start in range(0, size, _BLOCK):
                probe.write(bytes(min(_BLOCK, size - start)))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError:
        return False
    return True
