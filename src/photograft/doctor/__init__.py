"""Is the data sound? Checks of photos, labels and splits; what they find, ranked and in tables.

May import `learning`, `classifier`, `features`, `data`, `backbones` and `core`.
"""
