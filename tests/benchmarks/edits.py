"""Twelve edits that leave a photograph the same photograph."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps


def resave(picture: Image.Image, quality: int) -> Image.Image:
    """Return the picture after a JPEG file of that quality."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def crop(picture: Image.Image, side: float) -> Image.Image:
    """Return the middle, ``side`` of either side."""
    w, h = picture.size
    dx, dy = round(w * (1 - side) / 2), round(h * (1 - side) / 2)
    return picture.crop((dx, dy, w - dx, h - dy))


def shrink(picture: Image.Image, factor: float) -> Image.Image:
    """Return a smaller copy."""
    w, h = picture.size
    return picture.resize((max(1, round(w * factor)), max(1, round(h * factor))))


def blur(picture: Image.Image) -> Image.Image:
    """Return the picture blurred by 1 % of its longer side (a standard deviation)."""
    return picture.filter(ImageFilter.GaussianBlur(0.01 * max(picture.size)))


def grainy(picture: Image.Image) -> Image.Image:
    """Return the picture with noise of standard deviation 12."""
    pixels = np.asarray(picture, np.float32)
    pixels = pixels + 12.0 * np.random.default_rng(0).standard_normal(pixels.shape, np.float32)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def captioned(picture: Image.Image) -> Image.Image:
    """Return the picture with a black bar over its lowest tenth and a line of text in it."""
    copy = picture.copy()
    w, h = copy.size
    pen = ImageDraw.Draw(copy)
    pen.rectangle((0, int(0.9 * h), w, h), fill="black")
    pen.text((0.05 * w, 0.92 * h), "a caption under a picture", fill="white")
    return copy


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "crop to 80 %": lambda p: crop(p, 0.8),
    "turn by 10 degrees": lambda p: p.rotate(10, Image.Resampling.BILINEAR),
    "half size": lambda p: shrink(p, 0.5),
    "size 64 px wide": lambda p: shrink(p, 64 / p.size[0]),
    "JPEG quality 30": lambda p: resave(p, 30),
    "JPEG quality 10": lambda p: resave(p, 10),
    "brightness x 1.3": lambda p: ImageEnhance.Brightness(p).enhance(1.3),
    "contrast x 0.6": lambda p: ImageEnhance.Contrast(p).enhance(0.6),
    "blur, 1 % of the side": blur,
    "mirrored": ImageOps.mirror,
    "grain, sd 12": grainy,
    "caption bar": captioned,
}
