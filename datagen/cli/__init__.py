"""The datagen command: parse, call the library, print."""
