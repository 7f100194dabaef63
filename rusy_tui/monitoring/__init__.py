"""What the engine tells about itself to those who are not looking at a screen."""
