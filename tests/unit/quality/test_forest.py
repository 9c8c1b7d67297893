"""The forests: the trained reference to the last bit, and files that are refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from collinear.quality.forest import Forest
from collinear.quality.ma_features import SIZES, MaFeatures
from collinear.quality.ma_model import (
    BLOB,
    ModelError,
    blob_id,
    check_model,
    load_model,
    save_model,
)


def walk(forest, tree, sample):
    """Follow one sample through one tree."""
    node = 0
    while forest.left[tree, node]:
        goes_left = sample[forest.feature[tree, node]] <= forest.value[tree, node]
        node = (forest.left if goes_left else forest.right)[tree, node]
    return forest.value[tree, node]


def test_scores_equal_the_program_that_trained_the_forests(shared_scores):
    """A synthetic model and 50 queries, made with the authors' tools; difference 0."""
    model = load_model(shared_scores / "synth_model.mat", foreign=True)
    query = loadmat(shared_scores / "synth_query.mat")
    groups = query["Q"].ravel()
    for index, forest in enumerate(model.forests):
        assert np.array_equal(forest.predict(groups[index]), query["s"][:, index])
    features = [MaFeatures(*rows) for rows in zip(*groups, strict=True)]
    # MATLAB's product of a row and a column may add in another order.
    assert np.allclose(model.predict(features), query["score"].ravel(), rtol=4e-16)


def test_predicting_equals_walking_each_tree(stand_in):
    model = load_model(stand_in(), foreign=True)
    rng = np.random.default_rng(3)
    for forest, size in zip(model.forests, SIZES, strict=True):
        samples = rng.normal(size=(7, size))
        expected = [
            sum(walk(forest, tree, sample) for tree in range(len(forest.left)))
            / len(forest.left)
            for sample in samples
        ]
        assert forest.predict(samples).tolist() == expected


def test_a_value_on_the_threshold_goes_left():
    forest = Forest(
        left=np.array([[1, 0, 0]], np.int16),
        right=np.array([[2, 0, 0]], np.int16),
        feature=np.zeros((1, 3), np.uint8),
        value=np.array([[0.5, 10.0, 20.0]]),
    )
    samples = np.array([[0.5], [np.nextafter(0.5, 1)]])
    assert forest.predict(samples).tolist() == [10, 20]


def test_a_single_leaf_is_a_constant():
    zeros = np.zeros((1, 1))
    forest = Forest(*(zeros.astype(t) for t in ("i2", "i2", "u1")), value=zeros + 4)
    assert forest.predict(np.zeros((3, 2))).tolist() == [4, 4, 4]


def test_no_images_have_no_scores(stand_in):
    assert load_model(stand_in(), foreign=True).predict([]) == []


def test_blob_id_is_the_one_of_git():
    assert blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_only_the_published_file_is_taken_unasked(stand_in):
    path = stand_in()
    for check in (load_model, check_model):
        with pytest.raises(ModelError, match=f"git blob id {BLOB}, but this file has"):
            check(path)


def test_a_compact_copy_is_kept_and_equal(stand_in, tmp_path):
    path = stand_in()
    first = load_model(path, foreign=True, keep=tmp_path / "kept")
    (copy,) = (tmp_path / "kept").iterdir()
    again = load_model(path, foreign=True, keep=tmp_path / "kept")
    direct = load_model(copy, foreign=True)
    assert first.digest == again.digest == direct.digest
    assert direct.blob == blob_id(path.read_bytes())
    with pytest.raises(ModelError, match="must be the published"):
        load_model(copy)


def test_a_changed_compact_copy_is_refused(stand_in, tmp_path):
    model = load_model(stand_in(), foreign=True)
    linear = model.linear + 1
    save_model(tmp_path / "m.npz", dataclasses.replace(model, linear=linear))
    with pytest.raises(ModelError, match="do not fit the digest"):
        load_model(tmp_path / "m.npz", foreign=True)


def change(name, value):
    """Return an edit that replaces a field of the second forest."""

    def edit(tables, _):
        tables[1][name] = value(tables[1][name]) if callable(value) else value

    return edit


def swap(tables, _):
    tables[0], tables[1] = tables[1], tables[0]


def drop(tables, _):
    del tables[2]


def lengthen(_, rest):
    rest.linear = np.ones((5, 1))


def endless(values):
    values = values.copy()
    values[1, 0] = 1
    return values


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("coef", np.ones((2, 1))), r"rf\{2\}: coef must be zero"),
        (change("nrnodes", 99.0), "nrnodes must equal"),
        (change("ntree", 99.0), "ntree must equal"),
        (change("ndtree", lambda v: v * 0 + 99), "ndtree must give"),
        (change("mbest", lambda v: v + 100), "feature beyond 45"),
        (change("upper", lambda v: v * np.nan), "not finite"),
        (change("avnode", lambda v: v[:-1]), "differ in shape"),
        (change("lDau", endless), "child outside its tree"),
        (change("rDau", lambda v: v * 50), "child outside its tree"),
        (change("mbest", np.array("text")), "lacks a field or is damaged"),
        (swap, "trained on 18 features, but was on 45"),
        (drop, "3 forests, but has 2"),
        (lengthen, "linear must hold 4 finite numbers, but has 5"),
    ],
)
def test_models_of_another_kind_are_refused(stand_in, edit, message):
    with pytest.raises(ModelError, match=message):
        load_model(stand_in(edit), foreign=True)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.98])
def test_truncated_files_are_refused(stand_in, tmp_path, share):
    whole = stand_in()
    content = whole.read_bytes()
    copy = tmp_path / "copy.npz"
    save_model(copy, load_model(whole, foreign=True))
    packed = copy.read_bytes()
    for number, text in enumerate((content, packed)):
        part = tmp_path / f"part{number}"
        part.write_bytes(text[: int(len(text) * share)])
        with pytest.raises(ModelError, match=f"part{number}: "):
            load_model(part, foreign=True)


def test_foreign_and_missing_files_are_refused(tmp_path):
    savemat(tmp_path / "other.mat", {"mu": np.ones(3)})
    np.savez(tmp_path / "other.npz", mu=np.ones(3))
    (tmp_path / "text.mat").write_text("not a matrix")
    for name in ("other.mat", "other.npz", "text.mat", "none.mat"):
        with pytest.raises(ModelError, match=name):
            load_model(tmp_path / name, foreign=True)
