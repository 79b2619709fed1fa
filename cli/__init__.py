"""The ``synkro`` command: the one room that may import every other."""
