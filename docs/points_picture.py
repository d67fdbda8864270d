"""Draw the picture of docs/points.md: a made-up street, its points in the image and from above.

python docs/points_picture.py docs/points.png
"""

import sys

import cv2
import numpy as np

from terrazzo.core.images import write_png
from terrazzo.core.sample import IGNORE
from terrazzo.figures.point_clouds import classes_shown, points_from_above, points_on_image
from terrazzo.predict.points import Options, Prior, label_points
from tests.predict.points.made_street import LABELS, make_street

REACH = 45.0
"""Metres forwards that are drawn."""


def main(target: str) -> None:
    """Label one street by its true mask and draw it."""
    street = make_street(np.random.default_rng(6))
    prior = Prior(street.mask, np.ones(street.mask.shape, dtype=np.float32), IGNORE)
    options = Options(classes=("Car", "Pedestrian"))
    cloud = label_points(street.points, street.calibration, prior, LABELS, np.random.default_rng(0), options)
    seen, known = cloud.projection, cloud.labels >= 0
    image = LABELS.colorize(street.mask, void=(200, 220, 240))
    projected = points_on_image(
        image, seen.row[known], seen.column[known], cloud.colors[known], seen.depth[known]
    )
    order = np.argsort(known, kind="stable")
    above = points_from_above(
        cloud.points[order, :2],
        cloud.colors[order],
        cloud.clusters[order],
        classes_shown(LABELS, cloud.labels),
        reach=REACH,
    )
    width = above.shape[1]
    wide = cv2.resize(projected, (width, round(width * projected.shape[0] / projected.shape[1])))
    write_png(target, np.concatenate([wide, above]))


if __name__ == "__main__":
    main(sys.argv[1])
