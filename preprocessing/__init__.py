"""From photographs to what training reads: captures, teacher features, and the procedural scene.

Start at `captures` (what a capture folder holds), then `extraction` (teacher features of every image into a
feature store) and `synthetic` (captures with exact ground truth, made in code). Floor 2: may import `teachers`,
`feature_store` and the plain data.
"""
