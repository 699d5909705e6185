"""What a person sees at the end: a table, `metrics.json` and the contact sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from rich.table import Table

from samnerf.atomic_files import atomic_path
from samnerf.evaluation.metrics import iou, mean
from samnerf.evaluation.protocol import measured_objects
from samnerf.export.mask_files import ObjectMask
from samnerf.export.pictures import Sheet, draw_prompts, draw_sheet, heat_map, overlay
from samnerf.objects.palette import object_colour
from samnerf.session import Session
from samnerf.view import View

# Name in metrics.json, words, format, what should be reached, and whether more is better.
ROWS = (
    ("single_click_miou", "one click, mean IoU", "{:.3f}", 0.85, True),
    ("box_miou", "one box, mean IoU", "{:.3f}", 0.90, True),
    ("teacher_single_click_miou", "teacher on the true image, one click", "{:.3f}", None, True),
    ("teacher_parity", "rendered features / teacher", "{:.3f}", 0.95, True),
    ("text_localization", "words: peak on the object", "{:.3f}", 0.90, True),
    ("text_miou", "words: mean IoU", "{:.3f}", 0.70, True),
    ("psnr", "PSNR of held-out views, dB", "{:.1f}", 27.0, True),
    ("render_vs_encode_speedup", "rendering features, times faster", "{:.1f}", 1.0, True),
    ("wall_seconds", "everything, seconds", "{:.0f}", 360.0, False),
    ("peak_rss_gb", "peak memory, GB", "{:.1f}", 6.0, False),
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
    for key, words, style, goal, more in ROWS:
        value = metrics[key]
        reached = goal is None or (value >= goal if more else value <= goal)
        mark = "" if goal is None else "[green]reached[/green]" if reached else "[red]missed[/red]"
        sign = "" if goal is None else ("≥ " if more else "≤ ") + style.format(goal)
        table.add_row(words, style.format(value), sign, mark)
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
