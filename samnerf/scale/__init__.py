"""Many scenes, and many machines: training from one manifest, and the connection to a Ray cluster.

Start at `training_manifest` (which scenes), then `scene_training` (one scene, resumable) and `many_scenes` (all of
them, here or on Ray). `ray_cluster` is all that knows how to reach Ray; features are extracted on it by
`preprocessing.ray_extraction`. Floor 2; Ray itself is the optional extra `scale`.
"""
