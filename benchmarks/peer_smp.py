"""The peer: segmentation_models_pytorch + Lightning + albumentations on CamVid.

Written the way the first library's own CamVid example does it (examples/camvid_segmentation_multiclass.ipynb
at commit 5006616: dataset with OpenCV, its augmentations, LightningModule, multiclass Dice loss, Adam at 2e-4
with a 50-step cosine, confusion statistics at every step), with these differences, all in its favour or
needed for a comparison: network Unet with resnet18 from random weights, 352 x 480 crops in batches of 8, one
worker per core, images scaled to 0..1 before they are normalised, 11 classes with void ignored, and scored by
`terrazzo.evaluate` at the original resolution.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import lightning as L
import numpy as np
import segmentation_models_pytorch as smp
import torch
from lightning.pytorch.callbacks import Callback
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, Dataset

from terrazzo.datasets import build_dataset
from terrazzo.evaluate import Evaluation, evaluate_with

CROP = (352, 480)
BATCH_SIZE = 8
CLASSES = 11
VOID = 255


class CamVid(Dataset[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]):
    """Image and mask files, read with OpenCV and augmented."""

    def __init__(self, root: Path, augmentation: A.Compose) -> None:
        self.images = sorted((root / "images").iterdir())
        self.masks = [root / "masks" / f"{image.stem}.png" for image in self.images]
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        image: Any = cv2.imread(str(self.images[index]))
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        mask: Any = cv2.imread(str(self.masks[index]), cv2.IMREAD_GRAYSCALE)
        mask[mask == CLASSES] = VOID
        sample = self.augmentation(image=image, mask=mask)
        return sample["image"].transpose(2, 0, 1), sample["mask"]


def training_augmentation() -> A.Compose:
    """The augmentations of the example, at our crop."""
    height, width = CROP
    light = A.OneOf([A.CLAHE(p=1), A.RandomBrightnessContrast(p=1), A.RandomGamma(p=1)], p=0.9)
    sharpness = A.OneOf([A.Sharpen(p=1), A.Blur(blur_limit=3, p=1), A.MotionBlur(blur_limit=3, p=1)], p=0.9)
    colour = A.OneOf([A.RandomBrightnessContrast(p=1), A.HueSaturationValue(p=1)], p=0.9)
    return A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(scale=(0.5, 1.5), translate_percent=(-0.1, 0.1), p=1, border_mode=0, fill_mask=VOID),
            A.PadIfNeeded(min_height=height, min_width=width, fill_mask=VOID),
            A.RandomCrop(height=height, width=width),
            A.GaussNoise(p=0.2),
            A.Perspective(p=0.5, fill_mask=VOID),
            light,
            sharpness,
            colour,
        ]
    )


class CamVidModel(L.LightningModule):
    """The example's module."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.model = smp.create_model(
            "Unet", encoder_name="resnet18", encoder_weights=None, in_channels=3, classes=CLASSES
        )
        # What get_preprocessing_params("resnet18") returns; the function itself needs the network.
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.loss_fn = smp.losses.DiceLoss(smp.losses.MULTICLASS_MODE, from_logits=True, ignore_index=VOID)
        self.outputs: list[dict[str, torch.Tensor]] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Normalise and predict logits at full size."""
        logits: torch.Tensor = self.model((image / 255 - self.mean) / self.std)
        return logits

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Dice loss, and statistics of the step as the example keeps them."""
        image, mask = batch
        mask = mask.long()
        logits = self.forward(image).contiguous()
        loss: torch.Tensor = self.loss_fn(logits, mask)
        labels = logits.softmax(dim=1).argmax(dim=1)
        stats = smp.metrics.get_stats(labels, mask, mode="multiclass", num_classes=CLASSES, ignore_index=VOID)
        self.outputs.append(dict(zip(("tp", "fp", "fn", "tn"), stats, strict=True)))
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the epoch's IoU."""
        pooled = {key: torch.cat([out[key] for out in self.outputs]) for key in ("tp", "fp", "fn", "tn")}
        self.log("train_dataset_iou", smp.metrics.iou_score(**pooled, reduction="micro"), prog_bar=True)
        self.outputs.clear()

    def configure_optimizers(self) -> Any:
        """Adam with the example's 50-step cosine."""
        optimizer = torch.optim.Adam(self.parameters(), lr=2e-4)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=1e-5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class StepTimes(Callback):
    """Remembers when every step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


def fit(model: CamVidModel, root: Path, **limits: Any) -> list[float]:
    """Train within Lightning's limits (`max_steps`, `max_time`); return the end time of every step."""
    loader = DataLoader(
        CamVid(root / "train", training_augmentation()),
        batch_size=BATCH_SIZE,
        shuffle=True,
        drop_last=True,
        num_workers=os.cpu_count() or 1,
        persistent_workers=True,
    )
    times = StepTimes()
    trainer = L.Trainer(
        accelerator="cpu",
        callbacks=[times],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **limits,
    )
    trainer.fit(model, loader)
    return times.ends


@torch.inference_mode()
def labels(model: CamVidModel, image_HWC: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Predict a whole image, padded to a multiple of 32 as the peer's encoder needs, and crop back."""
    height, width = image_HWC.shape[:2]
    image = torch.from_numpy(image_HWC.transpose(2, 0, 1))[None].float()
    padded = torch.nn.functional.pad(image, (0, -width % 32, 0, -height % 32))
    ids: np.ndarray[Any, Any] = model(padded)[0, :, :height, :width].argmax(dim=0).byte().numpy()
    return ids


def score(model: CamVidModel, root: Path) -> Evaluation:
    """Score on the validation split by the same counting as ours."""
    model.eval()
    return evaluate_with(lambda image: labels(model, image), build_dataset("camvid", root=root, split="val"))


def main() -> None:
    """Train for some minutes, score, and write the facts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    L.seed_everything(0)
    model = CamVidModel()
    start = time.perf_counter()
    ends = fit(model, options.root, max_time={"seconds": int(options.minutes * 60)}, max_epochs=-1)
    seconds = ends[-1] - start
    facts = {
        **score(model, options.root).to_json(),
        "steps": len(ends),
        "seconds": seconds,
        "images_per_s": BATCH_SIZE * (len(ends) - 1) / (ends[-1] - ends[0]),
        "versions": {"smp": smp.__version__, "lightning": L.__version__, "albumentations": A.__version__},
    }
    options.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(f"validation mIoU {facts['miou']:.3f} after {seconds / 60:.1f} minutes")


if __name__ == "__main__":
    main()
