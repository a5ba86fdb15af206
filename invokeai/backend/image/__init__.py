"""Pure image computation with Pillow and numpy: pictures in, pictures out, no services, no files."""
