"""Where photos come from: folders, manifests, arrays and archives, one module each."""
