"""The words that options, records and recipes have in common."""

from typing import Literal

# What a file's name ends in where a folder is searched for pictures.
PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".mpo", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif"),
)

# Where embeddings are kept unless another place is named.
STORE = "img_emb.h5"

Fit = Literal["stretch", "crop", "pad"]
Interpolation = Literal["nearest", "bilinear", "bicubic"]
Crops = Literal[1, 5, 10, 144]
Style = Literal["flat", "room"]
Runtime = Literal["auto", "keras", "openvino"]
Precision = Literal["auto", "float32", "bfloat16"]
ExportFormat = Literal["openvino", "onnx", "saved_model", "litert"]
Metric = Literal["l2", "cosine"]
Pooling = Literal["avg", "max", "flatten", "none"]
StoredType = Literal["float32", "float16"]
Index = Literal["exact", "usearch"]
Keep = Literal["best", "first"]
