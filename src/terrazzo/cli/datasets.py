"""`terrazzo datasets`: which there are, where to get one, and what of it lies in a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from terrazzo.cli.output import JsonOption, console, write_json
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.datasets.listing import Found, Kind


def datasets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One kind.")] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Check what of NAME lies there, or download it there.")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch NAME into --root, where that needs no account.")
    ] = False,
    json: JsonOption = None,
) -> None:
    """List the datasets, or say where to get one and check what is there."""
    from terrazzo.datasets import listing

    to = console()
    if name is None:
        if root is not None or download:
            raise RequestError("--root and --download are about one dataset: give its NAME as well.")
        entries = listing.kinds()
        _print_list(to, entries)
        write_json(json, {"kinds": [kind.to_json() for kind in entries], "cache": _cache_facts()})
        return
    kind = listing.describe_kind(name)
    if download:
        if root is None:
            raise RequestError("--download needs a place: add --root DIR.")
        listing.download(name, root)
    _print_one(to, kind)
    found = listing.check_folder(name, root) if root is not None or kind.opens_alone else ()
    _print_found(to, found, root)
    if kind.needs_root and root is None:
        to.print(f"\nCheck yours: terrazzo datasets {name} --root DIR")
    write_json(json, {**kind.to_json(), "found": [split.to_json() for split in found]})
    if found and all(split.images is None for split in found):
        raise typer.Exit(1)


def _print_list(to: Console, entries: "tuple[Kind, ...]") -> None:
    from terrazzo.datasets.disk_cache import readable

    table = Table(box=None, pad_edge=False)
    for title in ("name", "what"):
        table.add_column(title)
    table.add_column("images", justify="right")
    table.add_column("licence", overflow="fold")
    for kind in entries:
        about = kind.about
        images = f"{sum(about.splits.values()):,}" if about is not None else ""
        table.add_row(kind.name, kind.summary, images, about.licence if about is not None else "yours")
    to.print(table)
    cache = _cache_facts()
    to.print(
        "Where to get one: terrazzo datasets NAME. What is there: terrazzo datasets NAME --root DIR.\n"
        f"Cache (cache: disk): {cache['samples']} samples, {readable(cache['bytes'])}, in {cache['folder']}",
        soft_wrap=True,
    )


def _cache_facts() -> dict[str, Any]:
    from terrazzo.datasets.disk_cache import cache_folder, folder_size

    folder = cache_folder()
    samples, size = folder_size(folder)
    return {"folder": str(folder), "samples": samples, "bytes": size}


def _print_one(to: Console, kind: "Kind") -> None:
    to.print(f"[bold]{kind.name}[/]  {kind.summary}\n", soft_wrap=True, markup=True)
    about = kind.about
    if about is None:
        to.print(kind.text.partition("\n")[2].strip())
        return
    counts = ", ".join(f"{split} {count:,}" for split, count in about.splits.items())
    facts = {"Get it at": about.homepage, "Licence": about.licence, "Cite": about.citation, "Images": counts}
    for what, value in facts.items():
        to.print(f"{what + ':':<11}{value}", soft_wrap=True)
    to.print("Layout:", *about.layout, sep="\n           ", soft_wrap=True)
    if about.download is not None:
        to.print(f"Download:  terrazzo datasets {kind.name} --root DIR --download", soft_wrap=True)


def _print_found(to: Console, found: "tuple[Found, ...]", root: Path | None) -> None:
    if not found:
        return
    to.print(f"\nIn {root}:" if root is not None else "\nThere is:", soft_wrap=True)
    if len({split.note for split in found}) == 1 and found[0].images is None:
        to.print(f"  nothing that can be opened. {found[0].note}", soft_wrap=True)
        return
    for split in found:
        count = "not there" if split.images is None else f"{split.images:,} images"
        note = f"  ({split.note})" if split.note else ""
        to.print(f"  {split.split:<10}{count}{note}", soft_wrap=True)
