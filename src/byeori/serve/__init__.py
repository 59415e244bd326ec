"""A model others use: the HTTP server, the thread that owns the model, what a request asks and how it is answered."""
