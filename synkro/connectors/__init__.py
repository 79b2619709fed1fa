"""What Synkro connects to: one declaration a vendor (``registry.py``), one folder a vendor."""
