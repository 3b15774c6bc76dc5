"""The fitted thing: a backbone and a head, saved and loaded, and all that it can say of a photo.

May import `features`, `data`, `backbones` and `core`.
"""
