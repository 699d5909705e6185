"""Videos of 8-bit frames: H.264 in MP4, as every player and browser takes it."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from jaxtyping import UInt8

from samnerf.atomic_files import atomic_path
from samnerf.errors import SamNerfError


def write_video(
    path: Path, frames: Iterable[UInt8[np.ndarray, "height width 3"]], fps: int | float = 24, quality: int = 18
) -> int:
    """Encode frames as they come, the whole file or none of it; gives their number.

    The format (yuv420p, BT.709, studio range) wants even sides: the last row or column of an odd one is shown twice.

    Args:
        path: of the file, `.mp4`.
        frames: sRGB, all of one size.
        fps: frames per second.
        quality: x264's constant rate factor, 0 (lossless) to 51; 18 is hard to tell from the original.

    Raises:
        ValueError: if there is no frame, or one is of another size than the first.
        SamNerfError: if the rate is not positive, the encoder refuses the frames, or the file cannot be written.
    """
    if not 0 < fps <= 1000:
        raise SamNerfError(f"a video cannot have {fps:g} frames per second; 24, 25 or 30 are usual")
    with atomic_path(path) as temporary:
        try:
            return _encode(temporary, frames, Fraction(fps).limit_denominator(1001), quality)
        except FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise SamNerfError(f"video {path} cannot be encoded: {error}") from error


def _encode(path: Path, frames: Iterable[UInt8[np.ndarray, "height width 3"]], rate: Fraction, quality: int) -> int:
    count, shape = 0, None
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(quality)})
        for pixels in frames:
            if shape is None:
                shape = pixels.shape
                stream.height, stream.width = (side + side % 2 for side in shape[:2])
                stream.pix_fmt = "yuv420p"
                stream.codec_context.colorspace = Colorspace.ITU709
                stream.codec_context.color_primaries = ColorPrimaries.BT709
                stream.codec_context.color_trc = ColorTrc.BT709
                stream.codec_context.color_range = ColorRange.MPEG
            if pixels.shape != shape:
                raise ValueError(f"frame {count + 1} of a video is of {pixels.shape} but the first of {shape}")
            frame = av.VideoFrame.from_ndarray(_even(pixels), format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts = count
            container.mux(stream.encode(frame))
            count += 1
        if not count:
            raise ValueError("a video needs at least one frame")
        container.mux(stream.encode())
    return count


def _even(pixels: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "even_height even_width 3"]:
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))
