"""Masks to files: PNG masks and ID maps, overlays, heat maps, and the index `masks.json`.

Start at `mask_files` (what a folder of results holds), then `segmentation` (every view of a scene by a prompt file).
Features leave as `encoded_matte`, the networks themselves as `torchscript`.
Floor 4: may import sessions, objects, scenes, views and the plain data; `evaluation` is its neighbour.
"""
