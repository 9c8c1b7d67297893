"""Image quality as the PIRM 2018 challenge measures it (numpy and scipy only)."""
