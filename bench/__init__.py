"""Measurements. Each prints ratios of one run: machines differ, their noise is the same for both sides."""
