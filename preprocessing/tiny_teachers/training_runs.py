"""What the training of either tiny teacher needs of a run: checkpoints, averaged weights, a log with its plot."""

import csv
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from samnerf.atomic_files import atomic_path, read_json
from samnerf.errors import SamNerfError


class AveragedWeights:
    """An exponential moving average of a network's weights, younger at the start of the run."""

    def __init__(self, network: nn.Module, decay: float = 0.998) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {key: value.detach().clone() for key, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one step towards the network's present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[key].lerp_(value, 1 - decay)
            else:
                self.state[key].copy_(value)


class Run:
    """The folder of a training run: `settings.json`, `checkpoint.pt`, `log.csv`, `log.png`."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        """Open the run, or begin it.

        Raises:
            SamNerfError: if the folder holds a run with other settings.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self.folder / "settings.json"
        if known.exists():
            before = read_json(known, "training settings")
            for key in sorted({*before, *settings}):
                if before.get(key) != settings.get(key):
                    raise SamNerfError(
                        f"{self.folder} holds a training run with {key} = {before.get(key)!r}, not "
                        f"{settings.get(key)!r}; choose another folder or remove this one"
                    )
        else:
            with atomic_path(known) as temporary:
                temporary.write_text(json.dumps(settings, indent=2))

    def save(self, network: nn.Module, optimiser: torch.optim.Optimizer, average: AveragedWeights, step: int) -> None:
        """Keep everything that a resumed run needs after `step` steps."""
        state = {
            "step": step,
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "average": average.state,
            "updates": average.updates,
        }
        with atomic_path(self.folder / "checkpoint.pt") as temporary:
            torch.save(state, temporary)

    def resume(self, network: nn.Module, optimiser: torch.optim.Optimizer, average: AveragedWeights) -> int:
        """Put the last checkpoint back and say how many steps it has seen; 0 without one."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return 0
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
            network.load_state_dict(state["network"])
            optimiser.load_state_dict(state["optimiser"])
            average.state = {key: value.to(average.state[key].device) for key, value in state["average"].items()}
            average.updates = state["updates"]
        except (RuntimeError, KeyError, EOFError, ValueError) as error:
            raise SamNerfError(f"checkpoint {path} cannot be read ({error}); remove it to begin anew") from error
        return int(state["step"])

    def log(self, row: dict[str, int | float]) -> None:
        """Append one row to `log.csv`; columns may grow, a row then starts a new header line."""
        path = self.folder / "log.csv"
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow({key: f"{value:.5g}" for key, value in row.items()})

    def rows(self) -> list[dict[str, float]]:
        """The log so far, one row per step: a resumed run's later word replaces an earlier one."""
        path = self.folder / "log.csv"
        if not path.exists():
            return []
        with path.open(newline="") as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        return list({row["step"]: row for row in rows}.values())

    def plot(self, title: str) -> None:
        """Draw every column of the log over the steps into `log.png`."""
        import matplotlib.figure

        rows = self.rows()
        columns = [key for key in rows[0] if key not in ("step", "seconds")] if rows else []
        if not columns:
            return
        figure = matplotlib.figure.Figure(figsize=(4.2 * len(columns), 3.2), layout="constrained")
        for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
            seen = [(row["step"], row[column]) for row in rows if row[column] == row[column]]
            axes.plot([step for step, _ in seen], [value for _, value in seen], linewidth=1.2, color="#2a6f97")
            axes.set(title=column.replace("_", " "), xlabel="step")
            axes.grid(alpha=0.25)
        figure.suptitle(title)
        with atomic_path(self.folder / "log.png") as temporary:
            figure.savefig(temporary, dpi=110)


def write_weights(path: Path, state: dict[str, Tensor], dtype: torch.dtype = torch.float16) -> None:
    """Write a state dict as safetensors, its floating point tensors as `dtype`."""
    kept = {k: (v.to(dtype) if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(kept, temporary)


def half_precision(device: torch.device) -> torch.autocast:
    """Matrix products and convolutions in bfloat16 where the device is made for it; weights stay float32."""
    made_for_it = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=made_for_it)
