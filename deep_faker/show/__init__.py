"""How simulations, their parts and what they made show themselves in a notebook: HTML and SVG, drawn here.

Nothing here is imported before a notebook asks an object for its ``_repr_html_``.
"""
