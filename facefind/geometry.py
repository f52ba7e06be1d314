"""Boxes, similarity transforms, turns, chips and crops: plane geometry on arrays.

Coordinates are continuous: the pixel in column i covers [i, i + 1), so a picture of width W spans
0..W and turns and scales are exact. Boxes are (x, y, w, h).
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefind.types import Box, Detection, FloatArray, Image

Matrix = NDArray[np.float64]

_SMALLEST_AREA = np.finfo(np.float32).tiny

# --- boxes ---------------------------------------------------------------------------------------


def iou_matrix(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Intersection over union of each box in ``a`` (N, 4) with each in ``b`` (M, 4): (N, M)."""
    return _iou(_columns(a)[:, :, np.newaxis], _columns(b)[:, np.newaxis, :])


def _columns(boxes: ArrayLike) -> FloatArray:
    """x, y, width and height of boxes (N, 4): (4, N)."""
    columns: FloatArray = np.asarray(boxes, np.float32).reshape(-1, 4).T
    return columns


def _iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of boxes (4, ...) that broadcast."""
    across = np.minimum(a[0] + a[2], b[0] + b[2]) - np.maximum(a[0], b[0])
    down = np.minimum(a[1] + a[3], b[1] + b[3]) - np.maximum(a[1], b[1])
    overlap = np.maximum(across, 0) * np.maximum(down, 0)
    union = a[2] * a[3] + b[2] * b[3] - overlap
    quotient: FloatArray = overlap / np.maximum(union, _SMALLEST_AREA)
    return quotient


def nms(boxes: FloatArray, scores: FloatArray, iou: float) -> NDArray[np.intp]:
    """Indices of the boxes that survive non-maximum suppression, best score first.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou: A box that overlaps a better surviving one by more than this is dropped.
    """
    order = np.argsort(-scores, kind="stable")
    columns = _columns(boxes)[:, order]
    kept: list[int] = []
    while order.size:
        kept.append(int(order[0]))
        apart = _iou(columns[:, :1], columns[:, 1:]) <= iou
        order, columns = order[1:][apart], columns[:, 1:][:, apart]
    return np.asarray(kept, np.intp)


# --- pictures and detections together ------------------------------------------------------------


def scale_detection(detection: Detection, x: float, y: float) -> Detection:
    """A detection after its picture was scaled by ``x`` horizontally and ``y`` vertically."""
    box, landmarks = detection.box, detection.landmarks
    return Detection(
        Box(box.x * x, box.y * y, box.w * x, box.h * y),
        detection.score,
        None if landmarks is None else landmarks * np.array((x, y), np.float32),
    )


def shift_detection(detection: Detection, x: float, y: float) -> Detection:
    """A detection in a part of a picture that begins at (x, y), in the whole picture's pixels."""
    box, landmarks = detection.box, detection.landmarks
    return Detection(
        Box(box.x + x, box.y + y, box.w, box.h),
        detection.score,
        None if landmarks is None else landmarks + np.array((x, y), np.float32),
    )


def mirror_detection(detection: Detection, width: float) -> Detection:
    """A detection in the mirror image of a picture of that width, in the picture itself."""
    box, points = detection.box, detection.landmarks
    if points is not None:
        # What is on the image's left in one is on its right in the other.
        points = np.array((width, 0), np.float32) + points[[1, 0, 2, 4, 3]] * (-1, 1)
        points = points.astype(np.float32)
    return Detection(Box(width - box.x - box.w, box.y, box.w, box.h), detection.score, points)


def turn(image: Image, quarter_turns: int) -> Image:
    """The picture turned anticlockwise by ``quarter_turns`` times 90 degrees."""
    codes = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)
    turns = quarter_turns % 4
    image = np.ascontiguousarray(image)
    # numpy's rot90 takes several times as long.
    return np.asarray(cv2.rotate(image, codes[turns - 1]), np.uint8) if turns else image


def grey(image: Image) -> NDArray[np.uint8]:
    """The picture's brightness, (H, W), with the weights that OpenCV gives the three colours."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def scaled(image: Image, factor: float) -> Image:
    """The picture at ``factor`` times its size, each side rounded to whole pixels, at least one."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    method = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def unturn_box(box: Box, quarter_turns: int, width: int, height: int) -> Box:
    """A box found in ``turn(image, quarter_turns)``, in the frame of ``image``.

    Args:
        box: In pixels of the turned picture.
        quarter_turns: As given to `turn`.
        width, height: Size of ``image``, before the turn.
    """
    corners = np.array([(box.x, box.y), (box.x + box.w, box.y + box.h)])
    back = _unturn_points(corners, quarter_turns, width, height)
    low, high = back.min(axis=0), back.max(axis=0)
    return Box(*map(float, (*low, *(high - low))))


def unturn_detection(
    detection: Detection, quarter_turns: int, width: int, height: int
) -> Detection:
    """As `unturn_box`; the landmarks keep their order, so the face's own left stays first."""
    points = detection.landmarks
    if points is not None:
        points = _unturn_points(points, quarter_turns, width, height).astype(np.float32)
    return Detection(
        unturn_box(detection.box, quarter_turns, width, height), detection.score, points
    )


def _unturn_points(points: NDArray[Any], turns: int, width: int, height: int) -> NDArray[Any]:
    x, y = points[:, 0], points[:, 1]
    back = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))[turns % 4]
    return np.stack(back, axis=1)


# --- chips and crops -----------------------------------------------------------------------------


def similarity_transform(src: ArrayLike, dst: ArrayLike) -> Matrix:
    """The turn, scale and shift, (2, 3), that carries ``src`` (N, 2) nearest to ``dst`` (N, 2).

    Least squares without reflection (Umeyama 1991; in the plane it is one complex division).

    Raises:
        ValueError: No similarity does it, because the points coincide.
    """
    source, target = np.asarray(src, np.float64), np.asarray(dst, np.float64)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    z, w = (source - source_mean) @ (1, 1j), (target - target_mean) @ (1, 1j)
    spread = np.vdot(z, z).real
    factor = np.vdot(z, w) / spread if spread > 0 else 0
    if not 0 < abs(factor) < np.inf:
        raise ValueError("no similarity transform carries these points to the others")
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack((linear, target_mean - linear @ source_mean))


def warp(image: Image, matrix: Matrix, size: int, out: Image | None = None) -> Image:
    """The square of ``size`` pixels that ``matrix`` (2, 3) cuts out of a picture; black outside.

    A source larger than the result is first shrunk by area, since bilinear sampling alone would
    skip pixels. Only the region needed is touched, so a large picture costs no more.

    Args:
        matrix: Turns, scales and moves, but does not mirror.
        out: (size, size, 3) uint8, contiguous: the result goes there instead of into a new array.
    """
    result = np.empty((size, size, 3), np.uint8) if out is None else out
    (a, b, _), (c, d, _) = matrix.tolist()
    scale = math.sqrt(a * d - b * c)
    left, top, right, bottom = _source_region(image, matrix, scale, size)
    if right <= left or bottom <= top:
        result[:] = 0
        return result
    region = image[top:bottom, left:right]
    shrunk = _shrink(region, int(1 / scale))
    scale_y, scale_x = np.divide(region.shape[:2], shrunk.shape[:2])
    to_photo = np.array([(scale_x, 0, left), (0, scale_y, top), (0, 0, 1)])
    local = matrix @ to_photo
    # OpenCV counts from the centre of the first pixel, half a pixel inside the continuous frame.
    local[:, 2] += local[:, :2] @ (0.5, 0.5) - 0.5
    cv2.warpAffine(shrunk, local, (size, size), dst=result, flags=cv2.INTER_LINEAR)
    return result


def _source_region(
    image: Image, matrix: Matrix, scale: float, size: int
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels that a chip is made from, inside the picture."""
    back = cv2.invertAffineTransform(matrix)
    x, y = (back @ ((0, size, size, 0), (0, 0, size, size), (1, 1, 1, 1))).tolist()
    margin = 2 + 2 / scale
    height, width = image.shape[:2]
    left, right = (min(max(edge, 0), width) for edge in _reach(x, margin))
    top, bottom = (min(max(edge, 0), height) for edge in _reach(y, margin))
    return left, top, right, bottom


def _reach(values: list[float], margin: float) -> tuple[int, int]:
    """The whole numbers around the values and a margin."""
    return math.floor(min(values) - margin), math.ceil(max(values) + margin)


def _shrink(image: Image, step: int) -> Image:
    if step < 2:
        return image
    height, width = (-(-side // step) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def crop(image: Image, box: Box) -> Image:
    """The pixels of a box, its edges rounded to whole pixels; black where it leaves the picture."""
    left, top = round(box.x), round(box.y)
    right, bottom = round(box.x + box.w), round(box.y + box.h)
    result = np.zeros((max(bottom - top, 0), max(right - left, 0), 3), np.uint8)
    inside = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if inside.size:
        y, x = max(-top, 0), max(-left, 0)
        result[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return result
