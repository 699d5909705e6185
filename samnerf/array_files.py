"""Arrays in NumPy's own files, read through a memory map and filled entry by entry.

An entry is one index of the first axis.
"""

import os
from pathlib import Path

import numpy as np

from samnerf.atomic_files import unwritable
from samnerf.errors import SamNerfError


def reserve_array(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Write an array of zeros, whose space on the disk is taken from now on.

    Raises:
        OSError: if the disk is too small or the file cannot be written.
    """
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        )
        file.flush()
        # Zeros, and blocks that are ours: a disk too small is found out now and not after hours.
        start, size = file.tell(), dtype.itemsize * int(np.prod(shape))
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), start, size)
        else:  # macOS
            file.truncate(start + size)
        os.fsync(file.fileno())


def map_array(path: Path, dtype: np.dtype, shape: tuple[int, ...], cure: str) -> np.memmap:
    """Map an array for reading.

    Args:
        path, dtype, shape: of the array that should be there.
        cure: what helps if it is not; ends the messages.

    Raises:
        SamNerfError: if the file is missing, truncated, or holds something else.
    """
    try:
        array = np.load(path, mmap_mode="r")
    except FileNotFoundError as error:
        raise SamNerfError(f"{path} is missing; {cure}") from error
    except (OSError, ValueError, EOFError) as error:
        raise SamNerfError(f"{path} is truncated or not an array of numbers ({error}); {cure}") from error
    if not isinstance(array, np.memmap) or array.dtype != dtype or array.shape != shape:
        raise SamNerfError(
            f"{path} holds {getattr(array, 'dtype', type(array).__name__)} {list(getattr(array, 'shape', ()))} but its "
            f"manifest promises {dtype} {list(shape)}; {cure}"
        )
    return array


def write_entries(path: Path, array: np.memmap, first: int, content: np.ndarray) -> None:
    """Write entries of a mapped array, from index `first` on; once this returns they survive a kill.

    Raises:
        SamNerfError: if the file cannot be written.
    """
    # Written through the file, not through the map: a full disk is then an error and not a bus fault.
    data = np.ascontiguousarray(content).data.cast("B")
    offset = array.offset + first * (array.nbytes // len(array))
    try:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            while data:
                written = os.pwrite(descriptor, data, offset)
                data, offset = data[written:], offset + written
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error
