"""Super-resolution with D-DBPN: networks, losses, data, training, scoring.

`python -m collinear.dbpn` is the application that a campaign runs. This file imports
nothing, so that a configuration can be checked without loading torch.
"""
