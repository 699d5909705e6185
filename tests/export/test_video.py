"""Videos play: the right number of frames, of the right size, rate and colour."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from samnerf.errors import SamNerfError
from samnerf.export.video import write_video

COLOURS = np.array([(200, 40, 90), (30, 180, 60), (20, 30, 220), (250, 250, 250), (5, 5, 5)], np.uint8)


def flat_frames(height: int, width: int):
    for colour in COLOURS:
        yield np.broadcast_to(colour, (height, width, 3)).copy()


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [
            frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709).to_ndarray()
            for frame in container.decode(stream)
        ]
        return stream, frames


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1), (2, 7)])
def test_every_frame_is_there_in_its_colour(tmp_path, size):
    assert write_video(tmp_path / "new" / "v.mp4", flat_frames(*size), fps=25) == len(COLOURS)
    stream, frames = decoded(tmp_path / "new" / "v.mp4")
    assert stream.codec_context.name == "h264"
    assert stream.codec_context.pix_fmt == "yuv420p"
    assert stream.average_rate == 25
    assert len(frames) == len(COLOURS)
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert frame.shape[:2] == tuple(side + side % 2 for side in size)
        assert np.abs(frame.astype(int) - colour).max() <= 4


def test_odd_sides_repeat_the_last_row_and_column(tmp_path):
    picture = np.zeros((31, 33, 3), np.uint8)
    picture[:, 16:] = 255
    write_video(tmp_path / "v.mp4", [picture], quality=0)
    _, (frame,) = decoded(tmp_path / "v.mp4")
    assert frame.shape == (32, 34, 3)
    assert frame[:, 20:].min() > 250 and frame[:, :12].max() < 5


@pytest.mark.parametrize(
    ("fps", "rate"), [(23.976, Fraction(2997, 125)), (30000 / 1001, Fraction(30000, 1001)), (0.5, 0.5)]
)
def test_rates_that_are_no_whole_numbers(tmp_path, fps, rate):
    write_video(tmp_path / "v.mp4", flat_frames(16, 16), fps=fps)
    assert float(decoded(tmp_path / "v.mp4")[0].average_rate) == pytest.approx(float(rate), rel=1e-4)


def test_players_are_told_the_colours(tmp_path):
    write_video(tmp_path / "v.mp4", flat_frames(16, 16))
    context = decoded(tmp_path / "v.mp4")[0].codec_context
    assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


def test_a_large_frame(tmp_path):
    assert write_video(tmp_path / "v.mp4", [np.full((2160, 4096, 3), 128, np.uint8)]) == 1
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (4096, 2160)


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_frames_that_end_in_an_error_leave_the_old_video(tmp_path, failure):
    path = tmp_path / "v.mp4"
    write_video(path, flat_frames(16, 16))
    old = path.read_bytes()

    def broken():
        yield from flat_frames(16, 16)
        raise failure

    with pytest.raises(failure):
        write_video(path, broken())
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_frames_of_two_sizes_are_refused(tmp_path):
    frames = [np.zeros((16, 16, 3), np.uint8), np.zeros((16, 18, 3), np.uint8)]
    with pytest.raises(ValueError, match=r"frame 2 of a video is of \(16, 18, 3\) but the first of \(16, 16, 3\)"):
        write_video(tmp_path / "v.mp4", frames)
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(tmp_path / "v.mp4", [])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [0, -24, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(tmp_path, fps):
    with pytest.raises(SamNerfError, match="a video cannot have"):
        write_video(tmp_path / "v.mp4", flat_frames(16, 16), fps=fps)


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(SamNerfError, match=r"cannot write .*v\.mp4"):
        write_video(tmp_path / "taken" / "v.mp4", flat_frames(16, 16))
