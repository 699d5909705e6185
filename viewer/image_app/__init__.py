"""The image app: a picture in the browser, segmented by clicks, boxes and words.

Start at `desk` (what one person has before them, without any widget), then `actions` (all that can be done to it) and
`app` (which widget does it). `layout` holds the widgets, `server` puts them on a port. Floor 5: may import everything
below; nothing imports it but `samnerf image-app`.
"""
