"""A scene of Mip-NeRF 360 whose parts are missing or do not fit together is refused in words, or mended on request."""

import shutil

import numpy as np
import pytest
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.preprocessing.captures import read_capture
from samnerf.preprocessing.mipnerf360 import prepare_scene


def remove_images(scene):
    shutil.rmtree(scene.folder / "images_2")


def remove_all_images(scene):
    for scale in ("images", "images_2", "images_4"):
        shutil.rmtree(scene.folder / scale)


def remove_originals(scene):
    shutil.rmtree(scene.folder / "images")
    remove_images(scene)


def lose_one(scene):
    (scene.folder / "images_2" / scene.names[3]).unlink()


def crop_one(scene):
    Image.new("RGB", (35, 20)).save(scene.folder / "images_2" / scene.names[3])


def truncate_one(scene):
    path = scene.folder / "images_2" / scene.names[3]
    path.write_bytes(path.read_bytes()[:10])


def test_a_scene_needs_poses_and_says_which_it_has(scene):
    scene.only("llff")
    with pytest.raises(SamNerfError, match=r"garden has no COLMAP model in sparse/0; .*choose --poses llff"):
        prepare_scene(scene.folder, poses="colmap")
    scene.write_colmap("PINHOLE", [50, 50, 35, 25])
    scene.only("colmap")
    with pytest.raises(SamNerfError, match=r"garden has no poses_bounds.npy; .*choose --poses colmap"):
        prepare_scene(scene.folder, poses="llff")
    shutil.rmtree(scene.folder / "sparse")
    with pytest.raises(SamNerfError, match=r"garden has neither sparse/0 \(COLMAP\) nor poses_bounds.npy \(LLFF\)$"):
        prepare_scene(scene.folder)


def test_the_folder_of_all_scenes_is_answered_with_their_names(scene):
    with pytest.raises(SamNerfError, match=r"it holds the scenes garden: name one of them"):
        prepare_scene(scene.folder.parent)
    with pytest.raises(SamNerfError, match=r"nowhere does not exist or is no folder; expected a scene such as"):
        prepare_scene(scene.folder / "nowhere")


@pytest.mark.parametrize(
    ("damage", "poses", "message"),
    [
        (remove_images, "colmap", r"garden has no folder images_2, only images and images_4; choose --scale 1 or 4, or "
         r"add --make-images, which makes it from images$"),
        (remove_originals, "colmap", r"garden has no folder images_2, only images_4; choose --scale 4$"),
        (remove_all_images, "colmap", r"garden has no folder images, images_2, images_4 or images_8$"),
        (lose_one, "colmap", r"sparse/0 names DSCF0003.JPG, which .*images_2 does not hold; images has 10: add --make"),
        (lose_one, "llff", r"poses_bounds.npy has 10 poses but .*images_2 has 9 images, .*the order of names; images"),
        (crop_one, "colmap", r"images_2/DSCF0003.JPG is 35 x 20 pixels but .*sparse/0 was made from 70 x 50, which is "
         r"35 x 25 at scale 2; images and poses must belong together"),
        (crop_one, "llff", r"DSCF0003.JPG is 35 x 20 pixels but .*poses_bounds.npy was made from 70 x 50"),
        (truncate_one, "colmap", r"DSCF0003.JPG cannot be read, it may be truncated"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_and_nothing_written(scene, damage, poses, message):
    damage(scene)
    before = scene.state()
    with pytest.raises(SamNerfError, match=message):
        prepare_scene(scene.folder, poses=poses, scale=2)
    assert scene.state() == before


def test_too_few_images_for_a_test_split_are_refused(scene):
    with pytest.raises(SamNerfError, match=r"--test-every is 1 but must be 2 or more"):
        prepare_scene(scene.folder, test_every=1)
    np.save(scene.folder / "poses_bounds.npy", scene.table[:1])
    with pytest.raises(SamNerfError, match=r"poses_bounds.npy has one image"):
        prepare_scene(scene.folder, poses="llff")


def test_a_missing_folder_is_made_on_request(scene):
    remove_images(scene)
    prepared = prepare_scene(scene.folder, scale=2, make_missing_images=True)
    assert prepared.made == scene.count
    assert {frame.size for frame in scene.capture().frames} == {scene.reduced[2]}
    lose_one(scene)
    assert prepare_scene(scene.folder, scale=2, make_missing_images=True).made == 1
    assert prepare_scene(scene.folder, scale=8, make_missing_images=True).made == scene.count
    assert read_capture(scene.folder, decode=False).frames[0].size == (6, 9)


def test_nothing_is_resized_for_poses_of_other_images(scene):
    remove_images(scene)
    Image.new("RGB", (100, 80)).save(scene.folder / "images" / scene.names[0])
    with pytest.raises(SamNerfError, match=r"images/DSCF0000.JPG is 100 x 80 pixels but .* was made from 70 x 50; "):
        prepare_scene(scene.folder, scale=2, make_missing_images=True)
    assert not (scene.folder / "images_2").exists()
