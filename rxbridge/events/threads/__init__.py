"""The threads that the synchronous code of events runs on."""
