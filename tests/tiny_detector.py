"""Pictures with one bright rectangle each, and a detector that was really trained on them."""

from pathlib import Path

import numpy as np

from models.detector.checkpoint import DetectorInfo, save_detector
from models.detector.train_detector import DetectionExample, DetectorFit, train_detector

CLASSES = ("red", "blue")
COLOURS = ((230, 30, 30), (30, 30, 230))
FIT = DetectorFit(epochs=20, batch_images=8, learning_rate=0.01, base_channels=8, seed=3)


def draw(index: int, image_hw: tuple[int, int] = (52, 64)) -> DetectionExample:
    """Draw picture `index`: one rectangle, a quarter to a half as long as the picture, on noise."""
    rng = np.random.default_rng(index)
    image = rng.integers(90, 140, (*image_hw, 3), dtype=np.uint8)
    height, width = rng.integers(max(image_hw) // 4, max(image_hw) // 2, 2)
    top = int(rng.integers(0, image_hw[0] - height))
    left = int(rng.integers(0, image_hw[1] - width))
    image[top : top + height, left : left + width] = COLOURS[index % 2]
    box = np.array([[left, top, left + width, top + height]], np.float32)
    return DetectionExample(image, box, np.array([index % 2]))


def train(fit: DetectorFit = FIT, num_pictures: int = 16):
    """Train on the first pictures."""
    return train_detector([draw(index) for index in range(num_pictures)], len(CLASSES), fit, iter)


def write_tiny_detector(folder: Path) -> Path:
    """Train the detector and write its folder."""
    trained = train()
    info = DetectorInfo("tiny", CLASSES, "bright rectangles", "Apache-2.0")
    save_detector(folder, trained.config, trained.model.state_dict(), info)
    return folder
