"""Checkpoints of one GPU and of several are the same but for the names of their tensors."""

import pytest
import torch

from samnerf.distill.pipeline import SamNerfPipeline
from samnerf.errors import SamNerfError


class Wrapper(torch.nn.Module):
    """Names tensors as torch's DistributedDataParallel does."""

    def __init__(self, module):
        super().__init__()
        self.module = module


def pipeline(wrapped):
    made = SamNerfPipeline.__new__(SamNerfPipeline)
    torch.nn.Module.__init__(made)
    model = torch.nn.Linear(2, 3)
    made._model = Wrapper(model) if wrapped else model
    made.datamanager = torch.nn.Linear(1, 1)
    return made


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("loaded", [False, True])
def test_either_reads_the_other(saved, loaded):
    one, other = pipeline(saved), pipeline(loaded)
    other.load_state_dict(one.state_dict())
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("saved", [False, True])
def test_what_is_missing_is_still_refused(saved):
    state = pipeline(saved).state_dict()
    state.pop("_model.module.bias" if saved else "_model.bias")
    with pytest.raises(SamNerfError, match="it lacks 1 tensors"):
        pipeline(False).load_state_dict(state)
