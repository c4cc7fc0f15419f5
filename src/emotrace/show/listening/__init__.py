"""The page on which recordings and renderings are played side by side."""
