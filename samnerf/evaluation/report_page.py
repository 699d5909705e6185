"""The page of a report: one HTML file with its styles and pictures in it, no script, nothing from elsewhere."""

import base64
import io
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from samnerf.evaluation.goals import Goal
from samnerf.evaluation.report import CasePicture, Column, Report, Table, Value

PANEL = 360
"""Width of a picture of a case, pixels."""
JPEG_QUALITY = 88

STYLE = """
:root { --ink: #1c1f26; --quiet: #666d7a; --paper: #fafaf8; --card: #fff; --line: #e3e4e0; --bar: #dcebe2;
        --good: #1d7a46; --bad: #b3261e; --ours: #eef3fb; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e9ec; --quiet: #9aa1ad; --paper: #16181c; --card: #1e2126; --line: #33373f; --bar: #24402f;
          --good: #6fcf97; --bad: #f2827a; --ours: #232c3d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 40px 28px 64px; }
h1 { font-size: 28px; margin: 0; letter-spacing: -0.01em; } h2 { font-size: 18px; margin: 40px 0 10px; }
.subtitle, .note, figcaption, dt, footer { color: var(--quiet); }
.subtitle { margin: 4px 0 20px; font-size: 16px; } .note { font-size: 13px; margin: 8px 2px; max-width: 80ch; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 0; font-size: 13px; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line); }
td { white-space: nowrap; }
th { font-size: 13px; font-weight: 600; color: var(--quiet); } tr:last-child td { border-bottom: 0; }
th.name, td.name { text-align: left; } tr.ours td { background-color: var(--ours); font-weight: 600; }
.reached { color: var(--good); } .missed { color: var(--bad); }
summary { cursor: pointer; font-weight: 600; font-size: 18px; margin: 40px 0 10px; }
ul { padding-left: 20px; margin: 10px 0; max-width: 90ch; }
.case { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px; margin: 14px 0; }
.case h3 { font-size: 14px; margin: 0 0 10px; } .panels { display: flex; flex-wrap: wrap; gap: 12px; }
figure { margin: 0; flex: 1 1 220px; max-width: 360px; } figure img { width: 100%; border-radius: 6px; display: block; }
figcaption { font-size: 12px; margin-top: 4px; } footer { margin-top: 48px; font-size: 12px; }
"""


def page(report: Report) -> str:
    """The whole page."""
    parts = [
        f"<h1>{escape(report.title)}</h1>",
        f'<p class="subtitle">{escape(report.subtitle)}</p>',
        "<dl>",
        *(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in report.about.items()),
        "</dl>",
        *_goals(report),
        *(line for table in report.tables for line in _table(table)),
        *_cases(report.pictures),
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(report.title)}</title>",
            f"<style>{STYLE}</style></head>",
            "<body><main>",
            *parts,
            "<footer>Made by samnerf eval; every number is in results.json and the CSV files beside this page."
            "</footer>",
            "</main></body></html>",
            "",
        ]
    )


def _goals(report: Report) -> Iterator[str]:
    yield "<h2>Goals</h2>"
    yield '<div class="scroll"><table><thead><tr><th class="name">measure</th><th>value</th><th>goal</th><th></th></tr>'
    yield "</thead><tbody>"
    for one in report.goals:
        yield _goal(one, report)
    yield "</tbody></table></div>"
    if report.notes:
        yield '<ul class="note">'
        yield from (f"<li>{escape(note)}</li>" for note in report.notes)
        yield "</ul>"


def _goal(one: Goal, report: Report) -> str:
    reached = one.reached(report.scores)
    mark = "" if reached is None else "reached" if reached else "missed"
    return (
        f'<tr><td class="name">{escape(one.words)}</td><td>{one.said(report.scores[one.key])}</td>'
        f'<td>{escape(one.wanted)}</td><td class="{mark}">{mark}</td></tr>'
    )


def _table(table: Table) -> Iterator[str]:
    title = escape(table.title)
    yield f"<details><summary>{title}</summary>" if table.folded else f"<h2>{title}</h2>"
    names = [not any(isinstance(row.get(c.key), int | float) for row in table.rows) for c in table.columns]
    heads = (
        f"<th{_class('name' if name else '')}>{escape(column.words)}</th>"
        for column, name in zip(table.columns, names, strict=True)
    )
    yield f'<div class="scroll"><table><thead><tr>{"".join(heads)}</tr></thead><tbody>'
    for row in table.rows:
        cells = (_cell(column, row.get(column.key), name) for column, name in zip(table.columns, names, strict=True))
        yield f"<tr{_class('ours' if row.get('emphasis') else '')}>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"
    if table.note:
        yield f'<p class="note">{escape(table.note)}</p>'
    if table.folded:
        yield "</details>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _cell(column: Column, value: Value, name: bool) -> str:
    bar = ""
    if column.share and isinstance(value, float) and 0 <= value <= 1:
        ends = f"{100 * value:.1f}%"
        bar = f' style="background-image: linear-gradient(90deg, var(--bar) {ends}, transparent {ends})"'
    return f"<td{_class('name' if name else '')}{bar}>{escape(column.said(value))}</td>"


def _cases(pictures: Sequence[CasePicture]) -> Iterator[str]:
    if pictures:
        yield "<h2>The worst cases</h2>"
    for case in pictures:
        yield _case(case)


def _case(case: CasePicture) -> str:
    figures = (
        f'<figure><img alt="{escape(caption)}" src="{data_uri(picture)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, picture in case.panels
    )
    return f'<div class="case"><h3>{escape(case.title)}</h3><div class="panels">{"".join(figures)}</div></div>'


def data_uri(picture: UInt8[np.ndarray, "height width 3"]) -> str:
    """A picture as an address that holds it, at most 360 pixels wide."""
    image = Image.fromarray(picture)
    if image.width > PANEL:
        image = image.resize((PANEL, max(1, round(image.height * PANEL / image.width))), Image.Resampling.LANCZOS)
    stored = io.BytesIO()
    image.save(stored, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stored.getvalue()).decode()}"
