"""Networks that come as ONNX files of the user's own, with or without a record beside them."""
