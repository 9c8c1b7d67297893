"""Records that a lane has ended, and with how many steps."""

from pathlib import Path

from collinear.campaign.files import write_json


def main(lane, paths_to_updates, path_to_closed):
    write_json(Path(path_to_closed), {"lane": lane, "steps": len(paths_to_updates)})


if __name__ == "__main__":
    main(snakemake.wildcards.lane, snakemake.input.updates, snakemake.output[0])
