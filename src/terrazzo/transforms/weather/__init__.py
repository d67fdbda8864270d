"""Weather and light for road pictures: rain, snow, fog, shadow, sun flare, light beam, night.

They know no depth; they take the road's geometry for granted: a flat ground below a horizon, far things near
it. Images of one channel or of three (RGB), any dtype. Labels stay: what is there is there in the rain.
"""

from terrazzo.transforms.weather.flare import LightBeam, SunFlare, draw_light_beam, draw_sun_flare
from terrazzo.transforms.weather.fog import Fog, draw_fog
from terrazzo.transforms.weather.night import Night, draw_night
from terrazzo.transforms.weather.rain import Rain, draw_rain
from terrazzo.transforms.weather.shadow import Shadow, draw_shadow
from terrazzo.transforms.weather.snow import Snow, draw_snow

__all__ = [
    "Fog",
    "LightBeam",
    "Night",
    "Rain",
    "Shadow",
    "Snow",
    "SunFlare",
    "draw_fog",
    "draw_light_beam",
    "draw_night",
    "draw_rain",
    "draw_shadow",
    "draw_snow",
    "draw_sun_flare",
]
