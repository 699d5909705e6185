"""True alpha instead of a mask: low-rank adapters on the mask decoders of the teachers.

`Matter` (`matter.py`) is where to start: it turns what a session decoded into alpha, by an adapter where there is one
for the teacher, by the sigmoid of the logits otherwise. `lora.py` puts adapters on, `adapter_files.py` keeps them on
disk, `refinement.py` sharpens an alpha along the edges of the picture. May import teachers and plain data; training
lives in `samnerf.preprocessing.matting_training`.
"""
