"""facefind finds people in event photos, on the user's own machine.

Importing this package starts nothing, reads nothing and loads no model.
"""

__version__ = "0.1.0"
