"""The body of a request in, a whole reply out; knows no sockets.

Whatever is wrong with a request becomes a reply that says so. No reply ever has objects: the client runs one of a
certain name as a script.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Any

import torch

from samnerf.errors import SamNerfError
from samnerf.nuke.frames import frame_from_message, frame_to_message
from samnerf.nuke.models import FrameModel, described
from samnerf.nuke.options import read_options
from samnerf.nuke.schema import RespondWrapper
from samnerf.nuke.wire import error_reply, framed_reply, parsed_request

_LOG = logging.getLogger(__name__)


class FrameService:
    """Models for many clients; they compute one at a time.

    Args:
        models: at least one, under different names.

    Raises:
        ValueError: if there is none, or two share a name.
    """

    def __init__(self, models: Sequence[FrameModel]) -> None:
        self.models = {model.name: model for model in models}
        if not models or len(self.models) != len(models):
            raise ValueError(f"{len(models)} models have {len(self.models)} names; expected one or more, all different")
        self._one_at_a_time = threading.Lock()

    def answer(self, body: bytes) -> bytes:
        """The reply to the body of a request, with its header; what is wrong with the request is said in it."""
        try:
            request = parsed_request(body)
            reply = self._info() if request.HasField("r1") else self._inference(request.r2)
        except SamNerfError as error:
            reply = error_reply(str(error))
        except (MemoryError, torch.OutOfMemoryError):
            _LOG.exception("out of memory")
            reply = error_reply("the server is out of memory; send smaller frames, or serve smaller teachers")
        except Exception as error:  # a mistake of ours must not leave a client waiting; its traceback is the report
            _LOG.exception("a request failed")
            reply = error_reply(f"the server failed ({type(error).__name__}: {error}); its log has more")
        return framed_reply(reply)

    def _info(self) -> Any:
        reply = RespondWrapper(info=True)
        reply.r1.num_models = len(self.models)
        reply.r1.models.extend(described(model) for model in self.models.values())
        return reply

    def _inference(self, request: Any) -> Any:
        model = self.models.get(request.model.name)
        if model is None:
            raise SamNerfError(f"there is no model {request.model.name!r}; there is {', '.join(self.models)}")
        if len(request.images) != len(model.inputs):
            wanted = f"{len(model.inputs)} pictures ({', '.join(model.inputs)})"
            raise SamNerfError(f"{model.name} takes {wanted}, not {len(request.images)}")
        options = read_options(model.options, request.model)
        frames = [frame_from_message(image, f"picture {i}") for i, image in enumerate(request.images, start=1)]
        with self._one_at_a_time:
            made = model.infer(frames, options)
        if made.size != frames[0].size:
            raise ValueError(f"{model.name} made a frame of size {made.size} for one of size {frames[0].size}")
        reply = RespondWrapper(info=True)
        reply.r2.num_images, reply.r2.num_objects = 1, 0
        reply.r2.images.append(frame_to_message(made))
        return reply
