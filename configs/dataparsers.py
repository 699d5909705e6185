"""The dataparser that this package adds to nerfstudio: `samnerf-capture`."""

from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from samnerf.preprocessing.dataparser import CaptureDataParserConfig

samnerf_capture = DataParserSpecification(
    config=CaptureDataParserConfig(), description="transforms.json and images, checked, with a fixed split"
)
