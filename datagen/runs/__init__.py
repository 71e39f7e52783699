"""A command's whole job: files, store and server at the edges, records in between."""
