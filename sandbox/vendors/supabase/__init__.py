"""A stand-in of a hosted Supabase project: its database, its Auth API and its poolers, on 127.0.0.1.

What is known of the real thing and from where stands in ``README.md``.
"""
