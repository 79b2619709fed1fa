"""Language models: the provider, prompts, masking of personal data, budget and prices."""
