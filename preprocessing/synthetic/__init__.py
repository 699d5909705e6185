"""Procedural scenes with exact ground truth, ray-traced on a CPU.

`scene` draws a room with named objects at random, `shapes` and `surfaces` hold their geometry and their
colours, `ray_tracer` makes an image with instance IDs, depth and anti-aliased coverage of it, `capture`
writes a scene as a nerfstudio capture and reads its ground truth back, and `training_images` keeps a pool
of single images on disk. May import the plain data, nothing above.
"""
