"""HTML pages as one file: templates with autoescape on, style inline, nothing fetched from anywhere.

`templates/base.html` forbids the network to the page itself (Content-Security-Policy), so that a page that
opens here opens the same from a disk without network. A script runs only where the page's writer gave one:
the policy names its hash, so nothing that slipped into a page with the data could ever run.
"""

import base64
import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from terrazzo.core.errors import TerrazzoError

TEMPLATES = Path(__file__).parent / "templates"


def render(folder: Path, template: str, *, script: str = "", **values: Any) -> str:
    """Fill a template; every value is escaped unless the template itself says `| safe`.

    Args:
        folder: where the template lies; `base.html` and `style.css` are found from anywhere.
        template: its file name.
        script: JavaScript of the page, our own and constant; the page must be usable without it.
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
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(script=script, script_digest=digest, **values)


def save(path: Path, page: str) -> Path:
    """Write a page beside its place and rename it, so that no half page is ever seen.

    Args:
        path: the HTML file; its folder is made, a file there is replaced.
        page: its text.

    Raises:
        TerrazzoError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise TerrazzoError(
            f"The report cannot be written to {path}: {error.strerror}. "
            "Choose a folder that can be written and has space."
        ) from error
    return path


def percent(fraction: float | None, digits: int = 1) -> str:
    """Write a fraction as per cent without the sign; an en dash for what is undefined."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}"


def thousands(count: int) -> str:
    """Write a count with thin spaces between groups of three digits."""
    return f"{count:,}".replace(",", "\u202f")
