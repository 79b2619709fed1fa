"""The web: NiceGUI pages and the REST API over the kernel's doors. Imports ``synkro`` and ``analysis`` only."""
