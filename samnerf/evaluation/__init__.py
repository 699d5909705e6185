"""Masks against ground truth: measures, protocols, and reports of what came out.

`protocol.py` prompts held-out views of a scene; `scene_evaluation.py` measures all of a scene, `public_evaluation.py`
the scenes of a public data set, each of which is read and scored in a module of its name. `report.py` is what both say,
`report_files.py` writes it. Floor 4: may import the export, sessions, views and everything below them; knows no widget.
"""
