"""The distilled field: colour and density as nerfacto has them, and teacher features that are rendered along.

Start with `model.py` (what is rendered and trained) and follow a feature: `pixel_sampler.py` chooses cells of the
teacher's grid and rays inside them, `datamanager.py` looks up what the teacher said there, `feature_field.py` says
what is at a point, `feature_rendering.py` makes a ray of it, `aggregation.py` a cell. `planes.py` is the
representation that is fast on a CPU, `pipeline.py` the border where checkpoints come in. Colours are read from the
disk: `pixel_cache.py` keeps the decoded images there, `pixel_datamanager.py` serves batches of them.

Imports from here downwards: preprocessing, teachers, feature store, feature maps, cameras, errors; and nerfstudio.
"""
