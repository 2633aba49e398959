"""Augmentation: ImageDataGenerator's parameters → a seeded transform of one picture.

::

    augmentation = read_augmentation("configs/augment-blog.toml")
    drawn = draw(augmentation, seed=0, content="9f86d0…", copy=3, height=224, width=224)
    pixels = transformed(pixels, drawn, augmentation)

`parameters` says what may vary, `draw` draws one transform as a function of seed, content and copy
alone, `affine` moves the pixels, `transform` shifts, mirrors and brightens them. `standardise` is
for training tensors alone.
The reference is `tf.keras.preprocessing.image.ImageDataGenerator`, whose numbers these are.
"""

from cnnkit.images.augment.draw import Drawn, draw, varies
from cnnkit.images.augment.parameters import Augmentation, read_augmentation
from cnnkit.images.augment.standardise import Standardisation, Statistics, read_for_training
from cnnkit.images.augment.transform import transformed, transformed_float

__all__ = [
    "Augmentation",
    "Drawn",
    "Standardisation",
    "Statistics",
    "draw",
    "read_augmentation",
    "read_for_training",
    "transformed",
    "transformed_float",
    "varies",
]
