"""Clicks and words in nerfstudio's own viewer, while `ns-train` trains and in `ns-viewer` afterwards.

Start at `shared_prompts` (what was said), then `answers` (from a picture and prompts to pictures) and `decoders`
(loaded beside everything else); `panel` has the widgets and is asked with every picture that the viewer renders.
Floor 5: may import everything below; nothing imports it, `samnerf.distill.viewer_door` opens it by its name.
"""
