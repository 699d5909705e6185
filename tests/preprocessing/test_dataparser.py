"""The dataparser hands nerfstudio the capture that was checked, split the same way every time."""

import numpy as np
import pytest
import torch
from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig
from PIL import Image

from samnerf.configs.dataparsers import samnerf_capture
from samnerf.errors import SamNerfError
from samnerf.preprocessing.captures import read_capture
from samnerf.preprocessing.dataparser import CaptureDataParserConfig

LENS = ("fx", "fy", "cx", "cy", "height", "width", "distortion_params", "camera_to_worlds")


def parse(folder, split, **options):
    return CaptureDataParserConfig(data=folder, **options).setup().get_dataparser_outputs(split)


def names(outputs):
    return [path.stem for path in outputs.image_filenames]


def hoisted(capture, **changes):
    """The lens of all frames at the top of the file, as ns-process-data writes it."""
    lens = {key: capture.frames[0][key] for key in ("fl_x", "fl_y", "cx", "cy", "w", "h")}
    for frame in capture.frames:
        for key in lens:
            del frame[key]
    return capture.save(**lens | changes)


def test_the_split_is_that_of_the_capture(photographs):
    folder = photographs([(4, 6)] * 18).folder
    read = read_capture(folder)
    for split in ("train", "val", "test"):
        assert names(parse(folder, split)) == [frame.name for frame in read.split(split)]
    assert names(parse(folder, "test")) == ["frame_0000", "frame_0008", "frame_0016"]


@pytest.mark.parametrize("listed", ["val", "test"])
def test_the_lists_of_the_capture_decide_and_val_and_test_stand_in_for_each_other(photographs, listed):
    capture = photographs([(4, 6)] * 5)
    paths = [frame["file_path"] for frame in capture.frames]
    folder = capture.save(train_filenames=paths[:3], **{f"{listed}_filenames": paths[3:4]})
    assert names(parse(folder, "train")) == ["frame_0000", "frame_0001", "frame_0002"]
    assert names(parse(folder, "val")) == names(parse(folder, "test")) == ["frame_0003"]


def test_cameras_are_those_of_nerfstudio(photographs):
    folder = hoisted(photographs([(24, 32)] * 9), k1=0.1, p2=-0.2)
    theirs = NerfstudioDataParserConfig(data=folder, downscale_factor=1, eval_mode="interval").setup()
    for split in ("train", "test"):
        ours, expected = parse(folder, split), theirs.get_dataparser_outputs(split)
        assert ours.image_filenames == expected.image_filenames
        for key in LENS:
            torch.testing.assert_close(getattr(ours.cameras, key), getattr(expected.cameras, key))


@pytest.mark.parametrize("downscale", [1, 2])
def test_what_a_frame_says_of_its_lens_goes_before_the_file(photographs, downscale):
    capture = photographs([(24, 32)] * 9)
    folder = hoisted(capture)
    (folder / "images_2").mkdir()
    for i in range(9):
        Image.open(capture.image(i)).resize((16, 12)).save(folder / "images_2" / capture.image(i).name)
    capture.frames[3] |= {"fl_x": 90.0, "cy": 11.0, "k2": 0.3}
    cameras = parse(capture.save(), "train", downscale_factor=downscale).cameras
    alone = parse(hoisted_again(capture), "train", downscale_factor=downscale).cameras
    scale = 1 / downscale
    assert cameras.fx[2].item() == 90.0 * scale
    assert cameras.cy[2].item() == 11.0 * scale
    assert cameras.distortion_params[2, 1] == pytest.approx(0.3)
    others = [0, 1, 3, 4, 5, 6]
    for key in LENS:
        torch.testing.assert_close(getattr(cameras, key)[others], getattr(alone, key)[others])


def hoisted_again(capture):
    for key in ("fl_x", "cy", "k2"):
        capture.frames[3].pop(key)
    return capture.save()


def test_mixed_sizes_and_aspects_are_parsed(photographs):
    sizes = [(24, 32), (32, 24), (16, 16)]
    cameras = parse(photographs(sizes).folder, "train").cameras
    assert list(zip(cameras.height.flatten().tolist(), cameras.width.flatten().tolist(), strict=True)) == sizes[1:]


def test_a_malformed_capture_is_refused_before_training(photographs):
    capture = photographs()
    capture.image(2).unlink()
    with pytest.raises(SamNerfError, match=r"frame 2 names images/frame_0002.png, which does not exist"):
        parse(capture.folder, "train")


def test_a_capture_without_training_images_is_refused(photographs):
    capture = photographs([(4, 4)] * 3)
    with pytest.raises(SamNerfError, match=r"has 3 images, and none for 'train'"):
        parse(capture.folder, "train", eval_interval=1)


@pytest.mark.parametrize("position", [(0.0, 0.0, 0.0), (1.0, 2.0, 3.0)])
def test_cameras_at_one_point_are_refused(photographs, position):
    capture = photographs()
    for frame in capture.frames:
        pose = np.eye(4)
        pose[:3, 3] = position
        frame["transform_matrix"] = pose.tolist()
    with pytest.raises(SamNerfError, match=r"all cameras of capture .* stand at one point"):
        parse(capture.save(), "train")


def test_images_that_were_not_downscaled_yet_are_named(photographs):
    with pytest.raises(SamNerfError, match=r"images_2/frame_0001.png does not exist; downscale the images first"):
        parse(photographs().folder, "train", downscale_factor=2)


def test_large_images_stay_as_they_are_and_nobody_is_asked():
    assert CaptureDataParserConfig().downscale_factor == 1
    assert samnerf_capture.config == CaptureDataParserConfig()


def test_the_fox_is_parsed_with_every_eighth_photograph_for_testing(fox):
    parser = CaptureDataParserConfig(data=fox).setup()
    train, test = (parser.get_dataparser_outputs(split) for split in ("train", "test"))
    everything = sorted(path.stem for path in (fox / "images").iterdir())
    assert names(test) == everything[::8]
    assert sorted(names(train) + names(test)) == everything
    assert (test.cameras.height == 480).all()
    assert (test.cameras.width == 270).all()
    expected = torch.tensor([0.0578421, -0.0805099, 0, 0, -0.000980296, 0.00015575])
    torch.testing.assert_close(test.cameras.distortion_params, expected.expand(7, 6))
    positions = torch.cat([train.cameras.camera_to_worlds, test.cameras.camera_to_worlds])[:, :, 3]
    assert positions.abs().max() == pytest.approx(1.0)
