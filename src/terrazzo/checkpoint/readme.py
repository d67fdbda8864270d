"""The README.md of a model folder: the card in words, for whoever finds the folder in a year."""

import math
from collections.abc import Mapping
from typing import Any

from terrazzo.checkpoint.card import Card, CardCalibration


def render_readme(card: Card) -> str:
    """Return the model card as Markdown: what it is, how to use it, labels, scores, training."""
    parts = [
        _heading(card),
        _usage(),
        _labels(card),
        _scores(card.scores),
        *_calibration(card.calibration),
        _training(card.training),
        _files(),
    ]
    return "\n\n".join(parts) + "\n"


def _heading(card: Card) -> str:
    encoder = card.arguments.get("encoder")
    network = f"`{card.architecture}`" + (f" on `{encoder}`" if encoder else "")
    return (
        f"# {card.architecture}: {card.num_classes} classes\n\n"
        f"A semantic segmentation model: {network}. It takes raw pixel values of {card.in_channels} channels "
        f"({card.channel_order}), any height and width, normalises them itself ({card.normalisation}) "
        "and gives a label to each pixel. Its logits have stride "
        f"{card.stride}.\n\n"
        f"Written by Terrazzo {card.terrazzo_version} with PyTorch {card.torch_version}."
    )


def _usage() -> str:
    return (
        "## Use\n\n"
        "```\n"
        "terrazzo predict  THIS_FOLDER photo.jpg --out masks --overlay\n"
        "terrazzo evaluate THIS_FOLDER DATA --split val\n"
        "```\n\n"
        "```python\n"
        "import terrazzo\n\n"
        'model = terrazzo.load("THIS_FOLDER")\n'
        'mask = model.predict("photo.jpg")  # (H, W) label ids at the image\'s own size\n'
        "names = model.labels.names\n"
        "```"
    )


def _labels(card: Card) -> str:
    scored = {
        row.get("name"): row for row in (card.scores or {}).get("per_class", []) if isinstance(row, Mapping)
    }
    lines = ["| id | name | colour | in mask files | IoU |", "| ---: | --- | --- | --- | ---: |"]
    for train_id, label in enumerate(card.label_map.classes):
        red, green, blue = label.color
        raw_ids = ", ".join(map(str, label.raw_ids))
        iou = _percent(scored.get(label.name, {}).get("iou"))
        name = label.name.replace("|", "\\|")
        lines.append(f"| {train_id} | {name} | `#{red:02x}{green:02x}{blue:02x}` | {raw_ids} | {iou} |")
    void = ", ".join(map(str, card.label_map.void_ids)) or "none"
    return (
        "## Labels\n\n"
        + "\n".join(lines)
        + f"\n\nVoid in mask files: {void}. It is no class and is never predicted."
    )


def _scores(scores: Mapping[str, Any] | None) -> str:
    if scores is None:
        return "## Scores\n\nThis model was not scored when it was saved. Run `terrazzo evaluate`."
    interval = scores.get("miou_interval")
    spread = f" (95 % interval {_percent(interval[0])} to {_percent(interval[1])})" if interval else ""
    lines = ["## Scores", "", f"mIoU **{_percent(scores.get('miou'))}**{spread}."]
    further = {"pixel_accuracy": "Pixel accuracy", "macro_f1": "Macro F1"}
    said = [f"{name} {_percent(scores[key])}" for key, name in further.items() if key in scores]
    if said:
        lines[-1] += " " + ", ".join(said) + "."
    images = scores.get("images")
    lines += ["", "Protocol" + (f" ({images} images):" if isinstance(images, int) else ":"), ""]
    protocol = scores.get("protocol") or {"protocol": "not recorded"}
    lines += _bullets({key: value for key, value in protocol.items() if value is not None})
    return "\n".join(lines)


def _calibration(found: CardCalibration | None) -> list[str]:
    if found is None:
        return []
    rows = [
        f"| {name} | {_fixed(found.before.get(name))} | {_fixed(found.after.get(name))} |"
        for name in found.before
    ]
    facts = {
        "fitted on": found.fitted_on,
        "judged on": found.judged_on,
        "test-time augmentation": found.tta,
        "members": found.members,
        "protocol": found.protocol,
    }
    table = "\n".join(["| | before | after |", "| --- | ---: | ---: |", *rows])
    return [
        f"## Calibration\n\nLogits are divided by the temperature **{found.temperature:.4g}**; labels are "
        "the same with and without.\n\n" + table + "\n\n" + "\n".join(_bullets(facts))
    ]


def _training(training: Mapping[str, Any] | None) -> str:
    if training is None:
        return "## Training\n\nNot recorded."
    return "\n".join(["## Training", "", *_bullets(training)])


def _files() -> str:
    return (
        "## Files\n\n"
        "`model.safetensors` (weights), `model.json` (what is needed to rebuild and use the model) and "
        "`manifest.json` (SHA-256 and size of every file). Loading checks the first two against the manifest "
        "and never runs code from this folder."
    )


def _bullets(facts: Mapping[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in facts.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}* {key}:", *_bullets(value, indent + "  ")]
        elif isinstance(value, float):
            lines.append(f"{indent}* {key}: {value:.6g}")
        else:
            lines.append(f"{indent}* {key}: {_one_line(value)}")
    return lines


def _one_line(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return " ".join(str(value).split())


def _percent(value: Any) -> str:
    """Write a fraction as per cent; absent classes have no score."""
    return f"{100 * value:.1f} %" if isinstance(value, int | float) and math.isfinite(value) else "-"


def _fixed(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
