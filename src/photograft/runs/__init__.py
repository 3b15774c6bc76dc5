"""The run folder and the comparison folder: the one owner of their files' names and schema.

Written and read here, and nowhere else. May import `evaluation`, `doctor` and what is below them.
"""
