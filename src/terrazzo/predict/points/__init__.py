"""Priors for point clouds: an image's classes given to the points of a scan, and divided into objects."""

from terrazzo.predict.points.assign import Prior, assign
from terrazzo.predict.points.behind import drop_behind
from terrazzo.predict.points.boxes import Box
from terrazzo.predict.points.cloud import Cloud, Options, label_points
from terrazzo.predict.points.cluster import Settings, cluster, range_scaled
from terrazzo.predict.points.formats import WRITERS, write_csv, write_pcd, write_ply
from terrazzo.predict.points.frames import Frame, find_frames
from terrazzo.predict.points.ground import Plane, find_ground
from terrazzo.predict.points.kitti import Calibration, read_boxes, read_calibration, read_velodyne
from terrazzo.predict.points.project import Projection, project, to_camera, to_scanner
from terrazzo.predict.points.run import LabelledFrame, label_frame, label_frames, mask_prior, model_prior
from terrazzo.predict.points.score import Recovery, recovery

__all__ = [
    "WRITERS",
    "Box",
    "Calibration",
    "Cloud",
    "Frame",
    "LabelledFrame",
    "Options",
    "Plane",
    "Prior",
    "Projection",
    "Recovery",
    "Settings",
    "assign",
    "cluster",
    "drop_behind",
    "find_frames",
    "find_ground",
    "label_frame",
    "label_frames",
    "label_points",
    "mask_prior",
    "model_prior",
    "project",
    "range_scaled",
    "read_boxes",
    "read_calibration",
    "read_velodyne",
    "recovery",
    "to_camera",
    "to_scanner",
    "write_csv",
    "write_pcd",
    "write_ply",
]
