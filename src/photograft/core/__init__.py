"""What every floor stands on: errors, files, settings as plain data, text, statistics, the store.

Imports nothing of Photograft but itself.
"""
