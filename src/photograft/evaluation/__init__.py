"""How good is it, and which is best? Metrics, paired tests, comparisons, learning curves.

May import `learning`, `classifier`, `features`, `data`, `backbones` and `core`; it knows no doctor.
"""
