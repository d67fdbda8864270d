"""HTML pages as one file: templates with autoescape on, style inline, nothing fetched from anywhere.

`templates/base.html` forbids the network to the page itself (Content-Security-Policy), so that a page that
opens here opens the same from a disk without network.
"""

from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"


def render(folder: Path, template: str, **values: Any) -> str:
    """Fill a template; every value is escaped unless the template itself says `| safe`.

    Args:
        folder: where the template lies; `base.html` and `style.css` are found from anywhere.
        template: its file name.
        **values: what the template names. A name that is missing is an error, not an empty place.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["thousands"] = thousands
    return environment.get_template(template).render(**values)


def percent(fraction: float | None, digits: int = 1) -> str:
    """Write a fraction as per cent without the sign; an en dash for what is undefined."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}"


def thousands(count: int) -> str:
    """Write a count with thin spaces between groups of three digits."""
    return f"{count:,}".replace(",", "\u202f")
