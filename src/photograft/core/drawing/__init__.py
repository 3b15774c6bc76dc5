"""Pictures drawn on paper, as PNG or SVG: letters, lines, photos, panels with axes, legends."""
