"""Scripts run in an interpreter of their own."""
