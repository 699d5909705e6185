"""Objects between prompts and masks: relevancy to points, masks to world points, locks in 3D, layers of them.

Start with `locking.py` (how what is said in one view is found in the world), `layers.py` (what can be done with the
objects that were) and `object_rendering.py` (what pictures show of them); `lifting.py` carries prompts from view to
view without a lock.
Floor 3: may import views, teachers' contracts and the plain data below them; only `layer_files.py` knows a file format.
"""
