"""Networks in torch and timm: built, loaded, pooled, parted into blocks, run."""
