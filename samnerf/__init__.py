"""SAM-NeRF: segment anything in a NeRF, from any view, without running an image encoder.

Start reading at `feature_map`, `prompts` and `masks` (plain data), then `teachers` (SAM and CLIPSeg),
`distill` (their features as a field of the scene), `session` (prompts x views -> masks). Imports point
one way only, from `cli` down to the plain data; `docs/architecture.md` draws it.
"""

__version__ = "0.1.0"
