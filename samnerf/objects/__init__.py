"""Objects between prompts and masks: relevancy to points, masks to world points, colours by ID.

Start with `lifting.py` (how an object prompted in one view is found in the others) and `relevancy.py` (how words
become points). Floor 3: may import views, teachers' contracts and the plain data below them; knows no file format.
"""
