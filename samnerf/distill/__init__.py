"""The scene that carries features: field, feature rendering, model and data manager for nerfstudio.

Floor 2: may import `teachers`, `feature_store` and the plain data, beside nerfstudio. Start at `model`.
"""
