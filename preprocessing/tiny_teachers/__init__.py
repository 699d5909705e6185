"""Training of the bundled tiny teachers from scratch, on procedural images with exact masks.

Start at `sam_training` and `clipseg_training`; `sam_prompts` draws the prompts, `training_runs` keeps what
both need of a run: checkpoints, an averaged copy of the weights, a log.
"""
