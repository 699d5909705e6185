"""Names and numbers: the nerfstudio methods and dataparsers this package adds, as entry points.

Every `ns-*` command imports these modules, so they stay light: no teacher and no viewer is loaded here. Start at
`methods` (`samnerf-distill`, `samnerf-no-distill`, `samnerf-tiny`).
"""
