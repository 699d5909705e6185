"""Masks over HTTP for programs that are not Nuke, and what all servers share.

Start at `http_application` (the addresses, and what they answer), then `documents` (the JSON that goes in and out).
`remembered_maps` keeps what encoders said of pictures, for the frame server of `nuke`, too. Floor 5: may import
everything below; who may listen where is in `viewer.image_app.server`.
"""
