"""Pictures drawn with Matplotlib and Pillow."""
