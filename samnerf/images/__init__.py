"""Single pictures segmented by prompts, or without any by a grid of points over them.

Start at `segmentation` (`segment_image`, the one call that does it), then `prompts` and `settings` (what may be said
and set) and `automatic_masks`. Floor 3, beside `session.py`, which answers the prompts: may import views, teachers and
the plain data below them; knows no file format of results.
"""
