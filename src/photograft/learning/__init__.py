"""How heads and networks are fitted: from photos and settings to a classifier.

May import `classifier`, `features`, `data`, `backbones` and `core`.
"""
