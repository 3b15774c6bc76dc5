"""Photos and their labels: where they come from, how they decode, which belong together, the split.

May import `core` and nothing else of Photograft; it knows no backbone.
"""
