"""What a person sees at the end: a table, `metrics.json` and the contact sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from rich.table import Table

from samnerf.atomic_files import atomic_path
from samnerf.evaluation.goals import HELD_OUT, Goal
from samnerf.evaluation.metrics import iou, mean
from samnerf.evaluation.protocol import measured_objects
from samnerf.export.mask_files import ObjectMask
from samnerf.export.pictures import Sheet, draw_prompts, draw_sheet, heat_map, overlay
from samnerf.objects.palette import object_colour
from samnerf.session import Session
from samnerf.view import View

ROWS = (
    *HELD_OUT,
    Goal("render_vs_encode_speedup", "rendering features, times faster", "{:.1f}", 1.0),
    Goal("wall_seconds", "everything, seconds", "{:.0f}", 240.0, more=False),
    Goal("peak_rss_gb", "peak memory, GB", "{:.1f}", 6.0, more=False),
)


@dataclass(frozen=True)
class SheetRow:
    """One view of the contact sheet: its masks, a phrase, and the truth."""

    label: str
    view: View
    masks: Sequence[ObjectMask]
    phrase: str
    true_rgb: UInt8[np.ndarray, "height width 3"]
    true_ids: UInt8[np.ndarray, "height width"]


def score_table(metrics: Mapping[str, float], title: str) -> Table:
    """Scores beside what should be reached."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("goal", justify="right")
    table.add_column("")
    for one in ROWS:
        mark = {None: "", True: "[green]reached[/green]", False: "[red]missed[/red]"}[one.reached(metrics)]
        table.add_row(one.words, one.said(metrics[one.key]), one.wanted, mark)
    return table


def write_contact_sheet(
    path: Path,
    session: Session,
    rows: Sequence[SheetRow],
    names: Mapping[int, str],
    subtitle: str,
    footer: str,
    tile: int = 320,
) -> None:
    """Draw one row per view: render with prompts, masks, relevancy of a phrase, ground truth."""
    drawn = []
    for row in rows:
        relevancy = session.relevancy(row.view, row.phrase).cpu().numpy()
        masks = [(one.mask, object_colour(one.object_id)) for one in row.masks]
        prompts = [(said, object_colour(one.object_id)) for one in row.masks for said in one.answer.decoded]
        truth = [(row.true_ids == i, object_colour(i)) for i in names]
        found = {one.object_id: one.mask for one in row.masks}
        shown = measured_objects(row.true_ids)
        nothing = np.zeros(row.true_ids.shape, bool)
        agreement = mean(iou(found.get(i, nothing), row.true_ids == i) for i in shown)
        drawn.append(
            (
                row.label,
                [
                    (draw_prompts(row.view.rgb, prompts), ""),
                    (
                        overlay(row.view.rgb, masks, dimmed=0.6),
                        f"{len(shown)} objects in view, mean IoU {agreement:.2f}",
                    ),
                    (heat_map(row.view.rgb, relevancy), f"“{row.phrase}”"),
                    (overlay(row.true_rgb, truth, dimmed=0.6), ""),
                ],
            )
        )
    sheet = Sheet(
        title="Every view, segmented",
        subtitle=subtitle,
        columns=(
            "rendered view, with its prompts",
            "masks from rendered features",
            "where the words fit",
            "ground truth",
        ),
        rows=drawn,
        scale_at=2,
        legend=[(name, object_colour(i)) for i, name in names.items()],
        footer=footer,
    )
    with atomic_path(path) as temporary:
        draw_sheet(sheet, tile).save(temporary, format="PNG", optimize=True)
