"""Tables in pages of the documentation: written between markers, the words around them stay."""

import re
from pathlib import Path


def fill(page: Path, name: str, content: str) -> None:
    """Put something new between `<!-- name:begin -->` and `<!-- name:end -->` of a page.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{page} has no {begin} followed by {end}; add these two lines.")
    page.write_text(pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text, count=1), encoding="utf-8")
