"""A report as files: `report.html`, `results.json` and a CSV for each table.

The page is one file that needs nothing else: pictures lie in it. The same results give the same bytes.
"""

import csv
import io
from pathlib import Path

from samnerf.atomic_files import write_bytes, write_json
from samnerf.evaluation.report import Report, Table, finite
from samnerf.evaluation.report_page import page

PAGE, RESULTS = "report.html", "results.json"


def write_report(folder: Path, report: Report) -> Path:
    """Write all files of a report and return the path of its page.

    Raises:
        SamNerfError: if the folder cannot be written.
    """
    for table in report.tables:
        write_bytes(folder / f"{table.name}.csv", csv_text(table).encode())
    write_json(folder / RESULTS, report.to_json())
    write_bytes(folder / PAGE, page(report).encode())
    return folder / PAGE


def csv_text(table: Table) -> str:
    """A table with its keys as heading and every digit of its numbers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    for row in table.rows:
        values = finite(row)
        writer.writerow(["" if values.get(c.key) is None else values[c.key] for c in table.columns])
    return text.getvalue()
