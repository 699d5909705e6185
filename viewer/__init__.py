"""Where people meet a scene: the browser application.

Clicks, boxes and words go from here to a session, and masks come back as pictures over the view. Floor 5 of
`docs/architecture.md`: may import everything below, and nothing imports it but the command line.
"""
