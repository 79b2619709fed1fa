"""The web: NiceGUI pages and the REST API over the services. Imports ``synkro`` and ``analysis`` only."""
