"""The verbs, one file each: what a user can ask for, from beginning to end.

May import everything but `interfaces`.
"""
