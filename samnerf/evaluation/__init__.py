"""Masks against ground truth: intersection over union, localisation, teacher parity.

Floor 4: may import sessions, views and everything below them; knows no widget and no file format of ours but JSON.
"""
