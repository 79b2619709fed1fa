"""What people write in the invented company."""
