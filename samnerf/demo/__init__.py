"""`samnerf demo`: the whole way of the data in one process, from an invented scene to scored masks.

`run.py` goes from stage to stage, `training.py` trains without a second process, `prompting.py` plays the person who
clicks, `report.py` draws the table and the contact sheet. Floor 5: may import everything but the command line.
"""
