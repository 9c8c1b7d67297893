"""Records that a lane has ended."""

from pathlib import Path

from collinear.campaign.files import write_json


def main(lane, path_to_closed):
    write_json(Path(path_to_closed), {"lane": lane, "status": "closed"})


if __name__ == "__main__":
    main(snakemake.wildcards.lane, snakemake.output[0])
