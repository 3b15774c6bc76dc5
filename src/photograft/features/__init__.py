"""From pixels to vectors: preprocessing, augmentation, what a frozen backbone says of each photo.

May import `data`, `backbones` and `core`.
"""
