"""What a person may do, authorised and audited once: one function a use case. Nothing here imports NiceGUI."""
