"""What people and programs touch: the command line and scikit-learn's estimators.

May import `workflows`, `runs`, `report` and `core`, and nothing else of Photograft.
"""
