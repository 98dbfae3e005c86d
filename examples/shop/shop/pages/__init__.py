"""The Reflex pages of the shop, one module each; ``layout`` holds what they share."""
