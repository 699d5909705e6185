"""The addresses over HTTP and what they answer: a picture, or a view of a scene, and what is said of it -> masks.

`/docs` shows them in the browser, `/openapi.json` describes them to programs.
"""

import io
import json
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, File, Form, Request
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse
from jaxtyping import Float, UInt8
from PIL import Image, UnidentifiedImageError

from samnerf import __version__
from samnerf.errors import SamNerfError
from samnerf.images.segmentation import ImageSegmenter
from samnerf.preprocessing.images import read_picture
from samnerf.prompts import PromptFile
from samnerf.scene import TrainedScene
from samnerf.server.body_limit import BodyLimit
from samnerf.server.documents import About, Masks, Problem, ViewRequest, found_object, read_prompts
from samnerf.server.remembered_maps import RememberedMaps
from samnerf.session import Answer, Session
from samnerf.view import View
from samnerf.viewer.image_app.server import OWN_NAMES, is_private

MOST_VIEWS = 8
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    408: {"model": Problem, "description": "The request came too slowly."},
    413: {"model": Problem, "description": "The request is too large."},
    422: {"model": Problem, "description": "Something in the request is wrong; `detail` says what would be right."},
}


@dataclass(frozen=True)
class HttpLimits:
    """What one request may ask."""

    body_bytes: int = 64 * 2**20
    """Longest request, with the picture in it."""
    body_seconds: float = 60.0
    """Until the whole request has come."""
    pixels: int = 50_000_000
    """Of a picture."""


class MaskService:
    """Answers prompts on pictures and views, for any number of threads; one thing is computed at a time.

    Args:
        segmenter: the teachers; those of the scene, if there is one.
        scene: trained, or none.
        limits: of each request.
    """

    def __init__(
        self,
        segmenter: ImageSegmenter,
        scene: TrainedScene | None = None,
        limits: HttpLimits = HttpLimits(),
    ) -> None:
        self.segmenter = segmenter
        self.scene = scene
        self.limits = limits
        self._maps = RememberedMaps.of(segmenter)
        self._views: OrderedDict[str, View] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def about(self) -> About:
        """What is served."""
        views = [] if self.scene is None else list(self.scene.pictures)
        return About(program=f"samnerf {__version__}", teachers=self.segmenter.teachers, views=views)

    def picture(self, content: bytes, prompts: PromptFile, alpha: bool) -> Masks:
        """Masks of what was said of a picture, given as a file of any kind that Pillow reads.

        Raises:
            SamNerfError: if it is no picture, too large, or a prompt lies outside of it.
        """
        pixels = uploaded_picture(content, self.limits.pixels)
        return self._answer(lambda: self._maps.view(pixels), prompts, alpha)

    def view(self, name: str, prompts: PromptFile, alpha: bool) -> Masks:
        """Masks of what was said of a view of the scene.

        Raises:
            SamNerfError: if there is no scene or no such view, or a prompt lies outside of it.
        """
        if self.scene is None:
            raise SamNerfError("no scene is served; start samnerf serve with --config RUN/config.yml")
        camera = self.scene.camera(name)
        scene = self.scene

        def remembered() -> View:
            if name not in self._views:
                self._views[name] = scene.view(camera, name)
                if len(self._views) > MOST_VIEWS:
                    self._views.popitem(last=False)
            self._views.move_to_end(name)
            return self._views[name]

        return self._answer(remembered, prompts, alpha)

    def _answer(self, make_view: Callable[[], View], prompts: PromptFile, alpha: bool) -> Masks:
        words = any(said.phrase is not None for said in prompts.objects)
        with self._one_at_a_time:
            view = make_view()
            session = Session(self.segmenter.mask_decoder, self.segmenter.text_decoder() if words else None)
            answers = [session.answer(view, said) for said in prompts.objects]
            alphas = [self._alpha(view, answer) if alpha else None for answer in answers]
        found = [found_object(*one) for one in zip(prompts.objects, answers, alphas, strict=True)]
        return Masks(image_size=list(view.image_size), objects=found)

    def _alpha(self, view: View, answer: Answer) -> Float[np.ndarray, "height width"]:
        matter = self.segmenter.matter()
        alpha = answer.cut(matter.alpha(answer.prediction, view.feature_map("sam"), answer.decoded, view.rgb))
        return alpha.float().cpu().numpy()


def uploaded_picture(content: bytes, most_pixels: int) -> UInt8[np.ndarray, "height width 3"]:
    """A picture that was sent as a file, upright, sRGB.

    Raises:
        SamNerfError: if it is no picture, or has more pixels than that.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SamNerfError("the image is no picture that can be read; send a PNG or a JPEG") from error
    if width * height > most_pixels:
        raise SamNerfError(f"the image has {width} x {height} pixels, but at most {most_pixels} are taken")
    with tempfile.TemporaryDirectory(prefix="samnerf-serve-") as folder:
        path = Path(folder) / "image"
        path.write_bytes(content)
        try:
            return read_picture(path)
        except SamNerfError as error:  # whoever sent it does not know the file
            raise SamNerfError(str(error).replace(f"image {path}", "the image")) from error


def http_application(service: MaskService, host: str = "127.0.0.1") -> FastAPI:
    """The application.

    Args:
        service: what answers.
        host: where it is going to listen. If only this machine can reach it, requests for a machine of another name are
            refused, so that no page from elsewhere can pose as it.
    """
    application = FastAPI(
        title="SAM-NeRF",
        version=__version__,
        description="Masks, scores and soft mattes of what is said of a picture or of a view of a trained scene.",
    )
    limits = service.limits
    application.add_middleware(BodyLimit, most=limits.body_bytes, seconds=limits.body_seconds)
    if is_private(host):
        application.add_middleware(TrustedHostMiddleware, allowed_hosts=[*OWN_NAMES, host])

    @application.exception_handler(SamNerfError)
    def say_why(_: Request, error: SamNerfError) -> JSONResponse:
        return JSONResponse({"detail": " ".join(str(error).split())}, 422)

    @application.get("/v1/about", summary="What is served")
    def about() -> About:
        return service.about()

    @application.post("/v1/image", summary="Masks of a picture that is sent along", responses=_PROBLEMS)
    def image(
        image: Annotated[bytes, File(description="The picture: PNG, JPEG, or what else Pillow reads.")],
        objects: Annotated[str, Form(description="JSON: what is said of each object, as in a prompt file.")],
        alpha: Annotated[bool, Form(description="Whether soft mattes are sent, too.")] = True,
    ) -> Masks:
        try:
            said = json.loads(objects)
        except (ValueError, RecursionError) as error:
            raise SamNerfError(f"objects is no JSON: {error}") from error
        return service.picture(image, read_prompts(said, "objects"), alpha)

    @application.post("/v1/view", summary="Masks of a view of the scene", responses=_PROBLEMS)
    def view(request: ViewRequest) -> Masks:
        return service.view(request.view, read_prompts(request.objects, "objects"), request.alpha)

    return application
