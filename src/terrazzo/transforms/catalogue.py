"""Every operation by name: how it is drawn, what family it is of, what images it is for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from terrazzo.transforms import bends, damage, erase, mixing, moves, tones, weather
from terrazzo.transforms.operation import Drawn

Family = Literal["geometry", "colour", "camera", "erasing", "mixing", "weather"]


@dataclass(frozen=True)
class Entry:
    """One operation."""

    draw: Callable[..., Drawn | None]
    """(amount, rng, **options) -> the drawn object; None where nothing happens this time."""

    family: Family
    channels: tuple[int, ...] | None = None
    """Numbers of channels that it makes sense for; None for any."""

    on_off: bool = False
    """It happens or it does not: the strength says how often."""


_GREY_OR_RGB = (1, 3)

OPERATIONS: dict[str, Entry] = {
    "affine": Entry(moves.draw_affine, "geometry"),
    "blur": Entry(damage.draw_blur, "camera"),
    "clahe": Entry(tones.draw_clahe, "colour", _GREY_OR_RGB),
    "classmix": Entry(mixing.draw_classmix, "mixing"),
    "color_jitter": Entry(tones.draw_color_jitter, "colour"),
    "copy_paste": Entry(mixing.draw_copy_paste, "mixing"),
    "cutmix": Entry(mixing.draw_cutmix, "mixing"),
    "cutout": Entry(erase.draw_cutout, "erasing"),
    "elastic": Entry(bends.draw_elastic, "geometry"),
    "flip": Entry(moves.draw_flip, "geometry", on_off=True),
    "flip_vertical": Entry(moves.draw_flip_vertical, "geometry", on_off=True),
    "fog": Entry(weather.draw_fog, "weather", _GREY_OR_RGB),
    "gamma": Entry(tones.draw_gamma, "colour"),
    "grid_distortion": Entry(bends.draw_grid_distortion, "geometry"),
    "jpeg": Entry(damage.draw_jpeg, "camera", _GREY_OR_RGB),
    "light_beam": Entry(weather.draw_light_beam, "weather", _GREY_OR_RGB),
    "mask_dropout": Entry(erase.draw_mask_dropout, "erasing"),
    "mosaic": Entry(mixing.draw_mosaic, "mixing"),
    "night": Entry(weather.draw_night, "weather", _GREY_OR_RGB),
    "noise": Entry(damage.draw_noise, "camera"),
    "perspective": Entry(moves.draw_perspective, "geometry"),
    "rain": Entry(weather.draw_rain, "weather", _GREY_OR_RGB),
    "rot90": Entry(moves.draw_rot90, "geometry", on_off=True),
    "rotate": Entry(moves.draw_rotate, "geometry"),
    "scale": Entry(moves.draw_scale, "geometry"),
    "shadow": Entry(weather.draw_shadow, "weather", _GREY_OR_RGB),
    "snow": Entry(weather.draw_snow, "weather", _GREY_OR_RGB),
    "sun_flare": Entry(weather.draw_sun_flare, "weather", _GREY_OR_RGB),
}
"""Operations by name; the three crops are in `crops.CROPS`."""
