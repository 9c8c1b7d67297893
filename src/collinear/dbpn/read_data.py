"""Reading which images a training uses: the section `data`, and what is scored."""

from __future__ import annotations

from pathlib import Path

from collinear.dbpn.builtin import BUILTIN
from collinear.dbpn.config import STORES, DataSettings
from collinear.dbpn.folders import PLACE
from collinear.dbpn.section import ConfigError, Section


def read_data(section: Section, scoring: Section) -> DataSettings:
    """Read the section `data`, and the images that `scoring` names.

    Raises:
        ConfigError: A key is missing, unknown or does not fit another.
    """
    source = section.choice("source", ("builtin", "folder"), "builtin")
    read = _read_names if source == "builtin" else _read_folders
    if section.has("evaluation"):
        raise ConfigError(
            f"{section.name('evaluation')} belongs into scoring.evaluation: other "
            "evaluation images change scores, but no training"
        )
    data = DataSettings(
        source=source,
        train=read(section, "train"),
        evaluation=_read_evaluation(scoring, source),
        cache=read_path(section, "cache"),
        store=section.choice("store", STORES, "auto"),
        train_lq=_read_low_resolution(section, "train_lq"),
        template=_read_template(section, "train_lq"),
        evaluation_lq=_read_low_resolution(scoring, "evaluation_lq"),
        evaluation_template=_read_template(scoring, "evaluation_lq"),
    )
    if data.store == "map" and data.cache is None:
        raise ConfigError(
            f"{section.name('store')}: map needs {section.name('cache')}, the folder "
            "of the arrays, but it is not given"
        )
    if data.train_lq and source != "folder":
        raise ConfigError(f"{section.name('train_lq')} is only for source: folder")
    section.finish()
    return data


def _read_low_resolution(section: Section, key: str) -> tuple[Path, ...]:
    found = _read_folders(section, key) if section.has(key) else ()
    return (found,) if isinstance(found, Path) else found


def _read_template(section: Section, folders: str) -> str | None:
    """Read the names of low resolution images, such as `{}x4`."""
    if not section.has("template"):
        return None
    template = section.take("template")
    if not isinstance(template, str) or template.count(PLACE) != 1:
        raise ConfigError(
            f"{section.name('template')} must be a name with one {PLACE} for that of "
            f"the original, such as {PLACE}x4, but got {template!r}"
        )
    if not section.has(folders):
        raise ConfigError(
            f"{section.name('template')} is only for {section.name(folders)}, "
            "which is not given"
        )
    return template


def read_path(section: Section, key: str) -> Path | None:
    """Read an optional path."""
    value = section.take(key)
    if value is not None and (not isinstance(value, str | Path) or not str(value)):
        raise ConfigError(f"{section.name(key)} must be a path, but got {value!r}")
    return None if value is None else Path(value)


def _read_evaluation(
    scoring: Section, source: str
) -> Path | tuple[str | Path, ...] | None:
    """Read folders or names; only builtin photographs have a default."""
    key = "evaluation"
    given = scoring.take(key)
    if isinstance(given, str | Path):
        return _read_folders(scoring, key)
    if source == "folder" and not scoring.has(key):
        raise ConfigError(
            f"{scoring.name(key)} is needed when data.source is folder, but "
            "is not given; name a folder of images or a list of builtin photographs"
        )
    names = _read_names(scoring, key)
    if names and not any(name in BUILTIN for name in names):
        return tuple(Path(name) for name in names)
    return names


def _read_names(section: Section, key: str) -> tuple[str, ...] | None:
    if not section.has(key):
        return None
    names = section.strict_list(key, [])
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"{section.name(key)} must be a list of names of photographs, "
            f"but got {names!r}"
        )
    return tuple(names)


def _read_folders(section: Section, key: str) -> Path | tuple[Path, ...]:
    """Read one folder, or a list of them."""
    value = section.take(key)
    folders = value if isinstance(value, list | tuple) else [value]
    if not folders or not all(isinstance(f, str | Path) and str(f) for f in folders):
        raise ConfigError(
            f"{section.name(key)} must be a folder of images, or a list of folders, "
            f"but got {value!r}"
        )
    paths = tuple(Path(folder) for folder in folders)
    return paths if isinstance(value, list | tuple) else paths[0]
