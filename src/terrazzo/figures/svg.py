"""Matplotlib figures as inline SVG that takes its text colour and font from the page around it.

The object API only (no pyplot): nothing global is kept open, and no display is needed.
"""

import html
import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK: Final = "#010203"
"""Stands for the page's text colour: replaced by `currentColor`, so that charts follow light and dark."""

_METADATA: Final = ("Creator", "Date", "Format", "Type")
_SETTINGS: Final[dict[str, Any]] = {
    "svg.fonttype": "none",  # text stays text: small, selectable, in the page's font
    "text.parse_math": False,  # a class called "$x" is a name, not a formula
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.grid": False,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
}


def draw(name: str, alternative: str, size: tuple[float, float], paint: Callable[["Figure"], None]) -> str:
    """Draw one chart and return it as an `<svg>` element.

    Args:
        name: short and unique on the page; keeps the identifiers of several charts apart.
        alternative: what the chart shows, in words, for those who cannot see it.
        size: (width, height) in inches of 72 CSS pixels; the page may shrink it.
        paint: fills the figure.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    settings: dict[Any, Any] = {**_SETTINGS, "svg.hashsalt": name}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Text is drawn by the browser: a letter that matplotlib's own font lacks is no loss.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    return _inline(buffer.getvalue(), name, alternative, size)


def _inline(document: str, name: str, alternative: str, size: tuple[float, float]) -> str:
    """Make a stand-alone SVG document fit for the inside of an HTML page."""
    body = document[document.index("<svg") :]
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # never referred to, and the same in every chart
    body = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r" font-family: [^;\"]*;?", "", body)  # the page's own font
    body = body.replace(INK, "currentColor")
    width, height = (round(72 * side) for side in size)
    label = html.escape(alternative, quote=True)
    return (
        f'<svg class="chart" role="img" aria-label="{label}" data-chart="{name}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">{body.strip()}'
    )
