"""⑥ Told: what a page says, in the words of each channel."""
