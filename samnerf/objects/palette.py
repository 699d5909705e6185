"""The constant colour of an object: a function of its ID and of nothing else."""

import colorsys

# Ten colours that stay apart in thumbnails and for most colour-blind eyes (after Okabe and Ito 2008, brightened).
_FIRST = (
    (255, 111, 60),
    (56, 178, 255),
    (64, 214, 130),
    (255, 209, 46),
    (201, 110, 255),
    (255, 92, 157),
    (38, 222, 214),
    (166, 226, 46),
    (255, 160, 122),
    (120, 134, 255),
)


def object_colour(object_id: int) -> tuple[int, int, int]:
    """sRGB, 0 to 255, of the object with this ID (from 1); black for 0, the background.

    Raises:
        ValueError: if the ID is negative.
    """
    if object_id < 0:
        raise ValueError(f"object ID is {object_id} but must not be negative")
    if object_id == 0:
        return 0, 0, 0
    if object_id <= len(_FIRST):
        return _FIRST[object_id - 1]
    # Steps of the golden ratio around the colour circle never come back to the same hue.
    hue = (object_id * 0.6180339887498949) % 1
    saturation, value = ((0.75, 1.0), (0.5, 1.0), (0.85, 0.8))[object_id % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
