"""Downloads Ma's published model and checks that it is the one."""

from pathlib import Path

from collinear.quality.fetch_model import fetch_model
from collinear.quality.ma_model import ModelError


def main(path_to_model, path_to_log):
    try:
        fetch_model(Path(path_to_model))
    except ModelError as error:
        Path(path_to_log).write_text(f"{error}\n")
        raise SystemExit(f"error: {error}") from None
    Path(path_to_log).write_text(f"{path_to_model} is the published model\n")


if __name__ == "__main__":
    main(snakemake.output[0], snakemake.log[0])
