"""What the pages and the API do, as plain functions over the entry points of the database. Nothing here imports NiceGUI.

Each takes the :class:`~services.access.Viewer` (or the user) first and goes through ``as_user``: the database
decides what they see. A service entry point is opened only for what no user may touch, after the right was checked.
"""
