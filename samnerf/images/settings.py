"""How a picture is segmented: every number that may be set, with its default."""

from dataclasses import InitVar, dataclass

from samnerf.errors import SamNerfError


@dataclass(frozen=True)
class ImageSettings:
    """Settings of `segment_image`; those from points_per_side on concern automatic masks.

    Raises:
        SamNerfError: at construction, naming the setting that is out of range, and the range.
    """

    multimask_output: bool = False
    """Three candidate masks of each object instead of one."""
    use_m2m: bool = True
    """Refine once: feed the decoder's own low-resolution mask back to it."""
    input_size_percent: float = 100.0
    """Size of the picture that the encoders see, percent; prompts and masks stay in pixels of the original."""
    apply_postprocessing: bool = True
    """Fill small holes and remove sprinkles, those of at most 8 cells of a 256 x 256 grid on the longer side."""
    mask_threshold: float = 0.0
    """Logits above this belong to the mask."""
    points_per_side: int = 32
    """Points along each side of the grid of automatic masks."""
    points_per_batch: int = 64
    """Points that are decoded at once; more are faster and take more memory."""
    iou_thres: float = 0.8
    """Automatic masks whose predicted quality does not exceed this are dropped; also spelt iou_thresh."""
    stability_score_thresh: float = 0.95
    """Automatic masks that change more than this when the threshold shifts are dropped."""
    stability_score_offset: float = 1.0
    """How far the threshold is shifted to either side, in logits."""
    box_nms_thresh: float = 0.7
    """Of two automatic masks whose boxes overlap by more than this IoU the better one stays."""
    crop_n_layers: int = 0
    """Layers of crops that are searched besides the whole picture; layer n has 2^n x 2^n of them."""
    crop_nms_thresh: float = 0.7
    """As box_nms_thresh, between masks of different crops; those of smaller crops stay."""
    crop_overlap_ratio: float = 512 / 1500
    """How much crops of the first layer overlap, as a part of the picture's shorter side."""
    crop_n_points_downscale_factor: int = 1
    """The grid of layer n has this to the power of n fewer points along each side."""
    min_mask_region_area: int = 0
    """Holes and islands of automatic masks smaller than this, in pixels, are filled and removed."""
    iou_thresh: InitVar[float | None] = None
    """The same as iou_thres."""

    def __post_init__(self, iou_thresh: float | None) -> None:
        if iou_thresh is not None:
            if self.iou_thres not in (ImageSettings.iou_thres, iou_thresh):
                raise SamNerfError(f"iou_thres is {self.iou_thres:g} and iou_thresh {iou_thresh:g}; give one of them")
            object.__setattr__(self, "iou_thres", iou_thresh)
        for name in ("iou_thres", "stability_score_thresh", "box_nms_thresh", "crop_nms_thresh"):
            self._check(name, 0 <= getattr(self, name) <= 1, "lie between 0 and 1")
        for name in ("points_per_side", "points_per_batch", "crop_n_points_downscale_factor"):
            self._check(name, getattr(self, name) >= 1, "be at least 1")
        for name in ("stability_score_offset", "min_mask_region_area"):
            self._check(name, getattr(self, name) >= 0, "not be negative")
        self._check("crop_n_layers", 0 <= self.crop_n_layers <= 5, "lie between 0 and 5")
        self._check("crop_overlap_ratio", 0 <= self.crop_overlap_ratio < 1, "be at least 0 and less than 1")
        self._check("input_size_percent", 0 < self.input_size_percent <= 1000, "be more than 0 and at most 1000")
        self._check("mask_threshold", abs(self.mask_threshold) < float("inf"), "be finite")

    def _check(self, name: str, right: bool, expected: str) -> None:
        if not right:
            raise SamNerfError(f"{name} is {getattr(self, name):g} but must {expected}")


def automatic_settings(teachers: str) -> ImageSettings:
    """Settings that suit automatic masks of a pair of teachers.

    The tiny SAM's edges are softer than a released one's, and its machines have no GPU.
    """
    if teachers == "tiny":
        return ImageSettings(points_per_side=16, iou_thres=0.7, stability_score_thresh=0.8)
    return ImageSettings()
