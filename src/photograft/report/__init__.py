"""A run, a comparison, a diagnosis or an explanation, made into one page or picture for people.

May import `runs` and what is below it.
"""
