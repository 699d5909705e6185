"""Image encoders and prompt decoders: SAM, SAM 2, CLIPSeg, and the tiny bundled pair of the same classes.

An encoder turns an image into a `FeatureMap`; a decoder answers prompts on a `FeatureMap`, wherever that
came from. The two load apart: who prompts a distilled scene never loads an image encoder. Start at
`contracts` (what encoders and decoders promise) and `pairs` (which ones exist, and how to load them).
May import the plain data (`feature_map`, `prompts`, `masks`) and nothing above.
"""
