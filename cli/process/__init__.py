"""Child processes of ``synkro serve``."""
