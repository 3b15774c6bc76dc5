"""Pretrained networks: their records, where their weights come from, and the engines that run them.

May import `core` and nothing else of Photograft; it knows no photos and no labels.
"""
