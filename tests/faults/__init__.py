"""What becomes of tabs when network, workers, Redis or the database fail: ``make faults``."""
