"""Settings have the defaults of the contract and refuse what makes no sense."""

from dataclasses import replace

import pytest

from samnerf.errors import SamNerfError
from samnerf.images.settings import ImageSettings


def test_both_spellings_of_the_quality_threshold_are_one():
    assert ImageSettings(iou_thresh=0.3).iou_thres == ImageSettings(iou_thres=0.3).iou_thres == 0.3
    assert replace(ImageSettings(iou_thresh=0.3), iou_thres=0.5).iou_thres == 0.5
    with pytest.raises(SamNerfError, match=r"iou_thres is 0.4 and iou_thresh 0.3; give one of them"):
        ImageSettings(iou_thres=0.4, iou_thresh=0.3)


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("iou_thres", 1.5, "lie between 0 and 1"),
        ("stability_score_thresh", -0.1, "lie between 0 and 1"),
        ("box_nms_thresh", 2.0, "lie between 0 and 1"),
        ("points_per_side", 0, "be at least 1"),
        ("points_per_batch", 0, "be at least 1"),
        ("crop_n_points_downscale_factor", 0, "be at least 1"),
        ("crop_n_layers", -1, "lie between 0 and 5"),
        ("crop_overlap_ratio", 1.0, "be at least 0 and less than 1"),
        ("min_mask_region_area", -1, "not be negative"),
        ("input_size_percent", 0.0, "be more than 0"),
        ("input_size_percent", float("nan"), "be more than 0"),
        ("mask_threshold", float("inf"), "be finite"),
    ],
)
def test_a_setting_out_of_range_is_named(name, value, range_):
    with pytest.raises(SamNerfError, match=f"{name} is .* but must {range_}"):
        ImageSettings(**{name: value})
