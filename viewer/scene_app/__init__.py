"""The viewer: a trained scene in the browser, on viser; objects are clicked, named, locked, and taken home.

Start at `desk` (what one person has before them, without any widget) and `shared_objects` (what all have in common),
then `actions` (all that can be done) and `frames` (what the scene looks like from somewhere). `render_loop` makes
pictures of them, `panel` and `object_rows` hold the widgets, `visit` says which widget does what, `app` and
`guarded_server` put it on a port. Floor 5: may import everything below; nothing imports it but `samnerf view`.
"""
