"""`cvat`: the export "CVAT for images 1.1": one annotations.xml, and images/.

Classes: the labels that the XML declares (in its order and colours), or those of `classes`.

Format: `<image name width height subset>` with `<polygon points>`, `<box>` (may be turned), `<ellipse>` and
`<mask rle>` (run lengths along the rows of a box). Higher `z_order` lies on top; of equal ones the later.
Lines, points, cuboids and skeletons have no area and are an error unless `skip` names them; tags are of the
whole image and are passed over. The export "Segmentation mask 1.1" is the kind `cvat-masks`.

Split: the subset of an image, where it has one; else drawn by `fractions`. Group: by `group_pattern`.

Licence: of your data. Citation: CVAT.ai: Computer Vision Annotation Tool, https://github.com/cvat-ai/cvat.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from terrazzo.core.errors import DataError
from terrazzo.core.labels import RGB
from terrazzo.datasets.about import About
from terrazzo.datasets.drawn import DrawnDataset, Picture, Region, Survey
from terrazzo.datasets.polygons import Patch, ellipse, fill, placed, rectangle, ring_of
from terrazzo.datasets.runs import expand

ABOUT = About(
    name="cvat",
    title="CVAT annotations, export 'CVAT for images 1.1'",
    homepage="https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/",
    licence="That of your own images; CVAT itself is MIT.",
    citation="CVAT.ai: Computer Vision Annotation Tool, https://github.com/cvat-ai/cvat.",
    splits={},
    layout=("annotations.xml", "images/a.jpg          (images/train/a.jpg where there are subsets)"),
)

KNOWN = ("polygon", "box", "ellipse", "mask")
OF_THE_IMAGE = ("tag",)
"""Elements that say something of the whole image: they have no pixels to lose."""

Attributes = dict[str, str]


class Cvat(DrawnDataset):
    """Images with CVAT's XML."""

    kind = "cvat"

    def survey(self, root: Path) -> Survey:
        """Read the XML."""
        path = root / "annotations.xml"
        tree = _parse(path, root)
        declared = {
            _text(label, "name"): _text(label, "color")
            for label in tree.iter("label")
            if label.find("name") is not None
        }
        pictures = tuple(_picture(root, path, image) for image in tree.iter("image"))
        drawn = {shape["label"] for picture in pictures for _, shape in picture.shapes}
        names = (*declared, *sorted(drawn - set(declared)))
        return Survey(pictures, names, {name: _rgb(color) for name, color in declared.items() if color})

    def regions(self, picture: Picture, size: tuple[int, int]) -> Iterator[Region]:
        """Yield the shapes in the order of the file; z_order is the level."""
        for kind, shape in picture.shapes:
            if kind in self.skip:
                continue
            if kind not in KNOWN:
                raise self.unknown_shape(picture, kind, KNOWN)
            patch = _patch(kind, shape, size, picture.source)
            yield Region(shape["label"], patch, level=int(shape.get("z_order", 0)))


def _parse(path: Path, root: Path) -> ElementTree.Element:
    if not path.is_file():
        hint = (
            " It looks like the export of masks: use cvat-masks."
            if (root / "SegmentationClass").is_dir()
            else ""
        )
        raise DataError(
            f"{root}: no annotations.xml. Expected the export 'CVAT for images 1.1', unpacked.{hint}"
        )
    head = path.read_bytes()[:4096]
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:  # CVAT writes none, and entities can fill any memory
        raise DataError(f"{path}: declares a document type, which CVAT never writes. Export it again.")
    try:
        tree = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: cannot be read as XML ({error}). Export it again.") from error
    if tree.find("image") is None:
        what = "tracks of a video" if tree.find("track") is not None else "no <image>"
        raise DataError(f"{path}: holds {what}; expected images. Export the task as 'CVAT for images 1.1'.")
    return tree


def _picture(root: Path, path: Path, element: ElementTree.Element) -> Picture:
    name, subset = element.get("name", ""), element.get("subset")
    places = [*([root / "images" / subset / name] if subset else []), root / "images" / name, root / name]
    shapes = tuple((s.tag, {"label": "", **s.attrib}) for s in element if s.tag not in OF_THE_IMAGE)
    return Picture(
        id=Path(name).stem,
        image=next((place for place in places if place.is_file()), places[0]),
        annotation=path,
        source=f"{path}, image {name}",
        size=(int(element.get("height", 0)), int(element.get("width", 0))),
        split=subset,
        shapes=shapes,
    )


def _patch(kind: str, shape: Attributes, size: tuple[int, int], source: str) -> Patch:
    try:
        if kind == "polygon":
            return fill([ring_of([pair.split(",") for pair in shape["points"].split(";")], source)], size)
        if kind == "mask":
            return _mask(shape, size, source)
        degrees = float(shape.get("rotation", 0))
        if kind == "box":
            left, top, right, bottom = (float(shape[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            return fill([rectangle(left, top, right, bottom, degrees=degrees)], size)
        x, y, rx, ry = (float(shape[key]) for key in ("cx", "cy", "rx", "ry"))
        return ellipse((x, y), (rx, ry), size, degrees)
    except (KeyError, ValueError) as error:
        raise DataError(f"{source}: a {kind} that cannot be read ({error}). Export it again.") from error


def _mask(shape: Attributes, size: tuple[int, int], source: str) -> Patch:
    left, top, width, height = (int(float(shape[key])) for key in ("left", "top", "width", "height"))
    counts = [int(count) for count in shape["rle"].split(",")]
    return placed(expand(counts, (height, width), along="rows", source=source), top, left, size, source)


def _text(element: ElementTree.Element, key: str) -> str:
    found = element.find(key)
    return (found.text or "").strip() if found is not None else ""


def _rgb(color: str) -> RGB:
    value = int(color.removeprefix("#"), 16)
    return value >> 16 & 255, value >> 8 & 255, value & 255
