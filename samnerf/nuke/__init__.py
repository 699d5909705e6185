"""The frame server: what Nuke's ML client sends, answered with masks, mattes, relevancy and rendered views.

Start at `mlserver.proto` and `wire` (what goes over the wire), then `service` (a request in, a reply out), `server`
(sockets) and `client` (the other end, for tests and for other hosts). Models are in `image_models` and `scene_model`;
they see frames with row 0 on top, and options that were checked. `gizmo` and `script` write what runs inside Nuke
instead of asking a server; `points` is how both say clicks. Floor 5: may import everything below, and
`samnerf.server` beside it.
"""
