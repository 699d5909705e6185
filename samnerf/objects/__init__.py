"""Objects beyond one view: prompts lifted to 3D and objects that stay locked in every other view.

Floor 3: may import views, scenes, teachers and the plain data. Start at `lifting`.
"""
