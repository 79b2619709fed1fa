"""What can go wrong on a vendor's side, and how it is played out."""
