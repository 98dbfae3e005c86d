"""Who is behind a socket, and until when."""
