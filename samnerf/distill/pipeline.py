"""The pipeline of the distilled scene: where checkpoints and feature stores meet the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes
from nerfstudio.pipelines.base_pipeline import VanillaPipeline, VanillaPipelineConfig
from torch import nn

from samnerf.distill import compatibility as compatibility
from samnerf.distill.datamanager import SamNerfDataManager
from samnerf.distill.model import SamNerfModel
from samnerf.distill.teacher_statistics import TeacherStatistics
from samnerf.distill.viewer_door import ViewerDoor
from samnerf.errors import SamNerfError

_PLAIN, _WRAPPED = "_model.", "_model.module."


@dataclass
class SamNerfPipelineConfig(VanillaPipelineConfig):
    """Pipeline whose checkpoints are read whole or not at all."""

    _target: type = field(default_factory=lambda: SamNerfPipeline)
    viewer_panel: str = "samnerf.viewer.nerfstudio_panel.panel"
    """Module whose `open_panel` adds clicks and words to nerfstudio's viewer; empty for none."""


class SamNerfPipeline(VanillaPipeline):
    """Opens the feature stores when training begins, and refuses checkpoints of something else.

    Attributes:
        viewer_door: found by nerfstudio's viewer when one is made; opens the panel in it.
    """

    def __init__(self, config: SamNerfPipelineConfig, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self.viewer_door = ViewerDoor(self, config.viewer_panel)

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Nerfstudio calls this in training only: the moment for opening the feature stores.

        Raises:
            SamNerfError: if teacher features were not extracted; the message says how to.
        """
        if isinstance(self.model, SamNerfModel) and isinstance(self.datamanager, SamNerfDataManager):
            trainer = training_callback_attributes.trainer
            # Nerfstudio's steps are those that are still to do, also when training is resumed.
            steps = None if trainer is None else trainer._start_step + trainer.config.max_num_iterations
            self.open_features(steps)
        return super().get_training_callbacks(training_callback_attributes)

    def open_features(self, steps: int | None = None) -> None:
        """Let the datamanager serve features, and the model learn how the teacher's maps look on the whole.

        Args:
            steps: of the whole training.
        """
        model, datamanager = self.model, self.datamanager
        assert isinstance(model, SamNerfModel)
        assert isinstance(datamanager, SamNerfDataManager)
        config = model.config
        datamanager.open_features(config.pair, model.specs, config.rays_per_side, config.block_side, steps)
        for kind, store in datamanager.stores.items():
            statistics = model.statistics[kind]
            assert isinstance(statistics, TeacherStatistics)
            statistics.learn(store, datamanager.targets[kind].names, store.manifest.weights_hash)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool | None = None, assign: bool = False) -> Any:
        """Load a checkpoint whole. Nerfstudio's own version leaves out what does not fit, without a word.

        A checkpoint of several GPUs is read on one and the other way round; the names of its tensors differ.

        Raises:
            SamNerfError: if tensors are missing, left over or of other shapes.
        """
        own = self.state_dict()
        state_dict = _named_like(own, state_dict)
        misfits = (key for key in own.keys() & state_dict.keys() if own[key].shape != state_dict[key].shape)
        complaints = [
            ("lacks", sorted(own.keys() - state_dict.keys())),
            ("has unknown", sorted(state_dict.keys() - own.keys())),
            ("has other shapes of", sorted(misfits)),
        ]
        found = [f"{what} {len(names)} tensors ({names[0]}, ...)" for what, names in complaints if names]
        if found:
            raise SamNerfError(
                f"the checkpoint does not belong to this config: it {' and '.join(found)}; is "
                "config.yml of the same run, and is tiny-cuda-nn installed (or missing) as it was in training?"
            )
        return nn.Module.load_state_dict(self, state_dict, strict=True, assign=assign)


def _named_like(own: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """A state under the names of a pipeline's own, whether or not its model is wrapped for several GPUs."""
    if _wrapped(own) == _wrapped(state):
        return dict(state)
    given, wanted = (_WRAPPED, _PLAIN) if _wrapped(state) else (_PLAIN, _WRAPPED)
    return {wanted + key.removeprefix(given) if key.startswith(given) else key: value for key, value in state.items()}


def _wrapped(state: Mapping[str, Any]) -> bool:
    of_model = [key for key in state if key.startswith(_PLAIN)]
    return bool(of_model) and all(key.startswith(_WRAPPED) for key in of_model)
