"""All that the page of `photograft studio` can do, for Python: photos, labels, and what learns."""
