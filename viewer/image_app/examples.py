"""Two pictures made in code, each with something said of it, so that the first screen explains itself."""

from dataclasses import dataclass
from functools import cache

from samnerf.preprocessing.synthetic.capture import CaptureSpecification, dome_cameras
from samnerf.preprocessing.synthetic.ray_tracer import Rendering, render
from samnerf.preprocessing.synthetic.scene import Scene, random_scene
from samnerf.prompts import Phrase, Point
from samnerf.viewer.image_app.desk import SHOWN, Said


@dataclass(frozen=True)
class Example:
    """A synthetic picture.

    Attributes:
        name: what it is called in the app and in the names of files.
        seed: of its scene.
        place: which camera of the dome sees it.
        said: in its pixels.
        heat: whether it opens with the heat map.
    """

    name: str
    seed: int
    place: int
    said: Said
    heat: bool = False

    @property
    def scene(self) -> Scene:
        """What is to be seen, with names."""
        return random_scene(self.seed)

    @property
    def rendering(self) -> Rendering:
        """The picture and its ground truth; rendered once, in about a second."""
        return _render(self.seed, self.place)


EXAMPLES = (
    Example("clicks", 111, 3, Said(points=(Point(520.0, 328.0),))),
    Example("words", 104, 2, Said(phrase=Phrase("yellow torus")), heat=True),
)


@cache
def _render(seed: int, place: int) -> Rendering:
    size = CaptureSpecification(seed=seed, views=6, test_views=0, width=SHOWN, height=SHOWN * 3 // 4)
    scene = random_scene(seed)
    return render(scene, dome_cameras(scene, size)[place])
