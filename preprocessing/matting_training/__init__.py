"""Training of matting adapters: pictures with exact alpha, made in code or composited from a folder.

`examples.py` says what an example is, `synthetic_examples.py` and `folder_examples.py` make them, `training.py` trains
on them. May import captures, teachers, `samnerf.matting` and plain data; `samnerf matting train` is the way in.
"""
