"""The pool of training images: the same image for a seed and an index, from disk or made anew."""

import numpy as np
import pytest

from samnerf.preprocessing.synthetic.training_images import TrainingImages, training_image

SIZE = 48


def test_an_image_read_back_is_the_image_made(tmp_path):
    made = training_image(2, 3, SIZE)
    pool = TrainingImages(tmp_path, seed=2, count=5, size=SIZE)
    for _ in range(2):
        read = pool[3]
        np.testing.assert_array_equal(read.rgb, made.rgb)
        np.testing.assert_array_equal(read.ids, made.ids)
        assert read.objects == made.objects
    assert pool.path(3).exists()


def test_a_stopped_pool_goes_on_and_keeps_what_it_has(tmp_path):
    first = TrainingImages(tmp_path, seed=2, count=2, size=SIZE)
    first.generate()
    before = first.path(0).stat().st_mtime_ns
    longer = TrainingImages(tmp_path, seed=2, count=3, size=SIZE)
    assert longer.available() == 2
    longer.generate()
    assert longer.available() == 3
    assert longer.path(0).stat().st_mtime_ns == before
    np.testing.assert_array_equal(longer[2].rgb, training_image(2, 2, SIZE).rgb)


def test_a_damaged_file_is_made_again(tmp_path):
    pool = TrainingImages(tmp_path, seed=2, count=1, size=SIZE)
    pool.generate()
    pool.path(0).write_bytes(pool.path(0).read_bytes()[:100])
    np.testing.assert_array_equal(pool[0].rgb, training_image(2, 0, SIZE).rgb)
    pool.path(0).write_bytes(b"")
    np.testing.assert_array_equal(pool[0].rgb, training_image(2, 0, SIZE).rgb)


def test_images_differ_by_seed_and_index_and_show_most_objects():
    first, second, other = training_image(2, 0, SIZE), training_image(2, 1, SIZE), training_image(3, 0, SIZE)
    assert not np.array_equal(first.rgb, second.rgb)
    assert not np.array_equal(first.rgb, other.rgb)
    for image in (first, second, other):
        visible = set(np.unique(image.ids)) - {0}
        assert len(visible) >= 2
        assert visible <= {thing.id for thing in image.objects}


def test_the_second_view_shows_the_same_objects_from_another_place(tmp_path):
    pool = TrainingImages(tmp_path, seed=2, count=1, size=SIZE)
    first, second = pool[0], pool.second_view(0)
    assert first.objects == second.objects
    assert not np.array_equal(first.rgb, second.rgb)
    np.testing.assert_array_equal(pool.second_view(0).rgb, second.rgb)


def test_a_scene_is_available_when_both_its_views_are(tmp_path):
    pool = TrainingImages(tmp_path, seed=2, count=1, size=SIZE)
    pool.generate(views=(0,))
    assert pool.available() == 0
    pool.generate()
    assert pool.available() == 1


def test_an_index_beyond_the_pool_is_refused(tmp_path):
    with pytest.raises(IndexError, match="scene 5 of a pool of 5"):
        TrainingImages(tmp_path, seed=2, count=5)[5]
