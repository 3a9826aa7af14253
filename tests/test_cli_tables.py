"""Tables whose columns have units of their own: from a raw CSV file with text labels to a CSV file of text classes."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run, write_flowers
from fastnet.cli import _scaling
from fastnet.datasets import Dataset

SPECIES = ["Adélie", "chinstrap, ringed", "gentoo"]
COLUMNS = ["bill_mm", "mass_g", "iron_ppm", "island"]


def penguins(rows: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Return measurements in millimetres, grams and millionths, a column that is always 7, and the species."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, rows)
    bill = rng.normal([38, 48, 43], [1, 1, 1], (rows, 3))[np.arange(rows), kind]
    mass = rng.normal(4200, 400, rows)
    iron = rng.normal([3e-4, 3e-4, 6e-4], 5e-5, (rows, 3))[np.arange(rows), kind]
    return np.column_stack([bill, mass, iron, np.full(rows, 7)]), [SPECIES[code] for code in kind]


def write_table(path: Path, x: np.ndarray, labels: list[str] | None, columns: list[str] = COLUMNS) -> None:
    order = [COLUMNS.index(name) for name in columns]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, *(["species"] if labels else [])])
        for row, values in enumerate(x.tolist()):
            writer.writerow([*(repr(values[column]) for column in order), *([labels[row]] if labels else [])])


@pytest.fixture
def trained(run: Run, tmp_path: Path) -> Path:
    """A model that was trained on the raw table."""
    write_table(tmp_path / "penguins.csv", *penguins(300, 0))
    assert run("train", "penguins.csv", "--target", "species", "--quiet", "--out", "m").status == 0
    return tmp_path / "m"


def test_a_raw_table_with_text_labels_becomes_a_table_of_text_classes(run: Run, trained: Path, tmp_path: Path) -> None:
    x, species = penguins(200, 1)
    write_table(tmp_path / "new.csv", x, None)
    assert run("predict", trained, "new.csv", "--out", "classes.csv").status == 0
    head, *rows = csv.reader(io.StringIO((tmp_path / "classes.csv").read_text("utf-8")))
    assert head == ["class", "probability"]
    predicted = [row[0] for row in rows]
    assert len(predicted) == 200
    assert set(predicted) == set(SPECIES)
    assert np.mean([one == other for one, other in zip(predicted, species, strict=True)]) > 0.97


def test_columns_in_another_order_give_the_same_classes(run: Run, trained: Path, tmp_path: Path) -> None:
    x, species = penguins(50, 1)
    write_table(tmp_path / "new.csv", x, None)
    write_table(tmp_path / "mixed.csv", x, None, COLUMNS[::-1])
    expected = run("predict", trained, "new.csv").out
    assert run("predict", trained, "mixed.csv").out == expected
    write_table(tmp_path / "labeled.csv", x, species, COLUMNS[::-1])
    assert run("predict", trained, "labeled.csv", "--target", "species").out == expected


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("bill_mm,mass_g,iron_ppm", "now missing: 'island'"),
        ("bill_mm,mass_g,iron_pmm,island", "unseen at fit time: 'iron_pmm' (did you mean 'iron_ppm'?)"),
        ("bill_mm,mass_g,iron_ppm,island,beak_mm", "unseen at fit time: 'beak_mm'"),
        ("bill_mm,mass_g,island,island", "that several columns have: 'island'"),
    ],
)
def test_other_columns_than_those_of_the_model_are_refused(
    columns: str, message: str, run: Run, trained: Path, tmp_path: Path
) -> None:
    row = ",".join("1" * len(columns.split(",")))
    (tmp_path / "new.csv").write_text(f"{columns}\n{row}\n")
    (tmp_path / "labeled.csv").write_text(f"{columns},species\n{row},gentoo\n")
    for command in (("predict", trained, "new.csv"), ("evaluate", trained, "labeled.csv", "--target", "species")):
        done = run(*command)
        assert done.status != 0
        assert "The feature names should match those that were passed during fit" in done.err
        assert message in done.err


def test_evaluation_and_verification_take_the_raw_table(run: Run, trained: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "new.csv", *penguins(200, 1))
    assert run("evaluate", trained, "new.csv", "--target", "species", "--json").json["accuracy"] > 0.97
    assert run("verify", trained, "penguins.csv", "--quiet").out.startswith("identical: ")


def test_the_scales_are_those_of_the_training_rows(run: Run, trained: Path, tmp_path: Path) -> None:
    model = fn.load_model(trained)
    assert isinstance(model.layers[0], fn.Normalization)
    mean, variance = model.layers[0].get_weights()
    x, _ = penguins(300, 0)
    assert not np.allclose(mean, x.mean(axis=0), rtol=1e-6)  # of all rows, those that are held out too
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=0.05)
    np.testing.assert_allclose(variance[:3], 16 * x.var(axis=0)[:3], rtol=0.2)
    assert variance[3] == 16.0


def test_a_column_that_was_constant_may_change_a_little(run: Run, trained: Path, tmp_path: Path) -> None:
    x, _ = penguins(50, 1)
    write_table(tmp_path / "new.csv", x, None)
    expected = [line.split(",")[0] for line in run("predict", trained, "new.csv").out.splitlines()]
    x[:, 3] += 0.01
    write_table(tmp_path / "new.csv", x, None)
    changed = [line.split(",")[0] for line in run("predict", trained, "new.csv").out.splitlines()]
    assert changed == expected


@pytest.mark.parametrize("cell", ["", "n/a", "nan"])
def test_a_missing_value_is_named(cell: str, run: Run, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(f"bill_mm,mass_g,iron_ppm,island\n40,4200,0.0003,7\n40,{cell},0.0003,7\n")
    done = run("predict", trained, "new.csv")
    assert (done.status, done.out) == (1, "")
    assert "new.csv, line 3, column 'mass_g': " in done.err


# ---- Which layer ----------------------------------------------------------------------------------------------------


def scaling(x: np.ndarray, image_shape: tuple[int, ...] | None = None) -> fn.layers.Layer:
    (layer,) = _scaling.scaling(Dataset(x, image_shape=image_shape), "float32")
    return layer


def test_columns_of_one_scale_share_one_factor() -> None:
    layer = scaling(np.array([[1.0, -8.0], [4.0, 2.0]], np.float32))
    assert isinstance(layer, fn.Rescaling)
    assert layer.scale == 1 / 8


@pytest.mark.parametrize(
    "x",
    [
        [[0.0, 1000.0], [1.0, 3000.0]],
        [[0.0, -1000.0], [1.0, 0.0]],
        [[1000.0, 1000.0], [1001.0, 1001.0]],
        [[0, 0, 90], [1, 0, 18]],
    ],
)
def test_columns_of_other_scales_are_normalized(x: list[list[float]]) -> None:
    for dtype in (np.float32, np.uint8) if np.max(x) < 256 and np.min(x) >= 0 else (np.float32,):
        assert isinstance(scaling(np.array(x, dtype)), fn.Normalization)


def test_images_are_only_rescaled() -> None:
    image = np.zeros((20, 6), np.uint8)
    image[::2, 1:] = [3, 128, 200, 255, 255]  # the first column never varies, the second hardly
    assert isinstance(scaling(image), fn.Rescaling)
    assert scaling(image).get_config()["scale"] == 1 / 255
    small = np.array([[0, 1], [16, 0]], np.uint8)
    small[1, 0] = 255
    assert isinstance(scaling(small), fn.Normalization)
    assert isinstance(scaling(small, image_shape=(1, 2)), fn.Rescaling)


def test_columns_that_never_vary_do_not_count() -> None:
    x = np.array([[0.5, 1000.0], [0.5, 3000.0]], np.float32)
    assert isinstance(scaling(x), fn.Rescaling)
    assert isinstance(scaling(np.zeros((3, 2), np.float32)), fn.Rescaling)


# ---- Units ----------------------------------------------------------------------------------------------------------


def accuracies(run: Run, tmp_path: Path, quantity: np.ndarray, other: np.ndarray, large: np.ndarray) -> list[float]:
    """Return the accuracy on the table of two columns when it was trained, of the file, of its rows and in Python."""
    with (tmp_path / "units.csv").open("w") as file:
        file.write("quantity,other,label\n")
        file.writelines(
            f"{a!r},{b!r},{int(c)}\n" for a, b, c in zip(quantity.tolist(), other.tolist(), large, strict=True)
        )
    options = ("--hidden", 16, "--epochs", 40, "--json", "--quiet", "--out", "m")
    done = run("train", "units.csv", *options)
    assert (done.status, done.err) == (0, "")
    model = fn.load_model("m")
    alone = []
    for row in range(5):
        (tmp_path / "row.csv").write_text(f"other,quantity\n{other[row].item()!r},{quantity[row].item()!r}\n")
        alone.append(run("predict", "m", "row.csv", "--quiet").out.splitlines()[1][0] == str(int(large[row])))
    outputs = model.predict(np.column_stack([quantity, other]), verbose=0)
    return [
        done.json["held_out"]["accuracy"],
        run("evaluate", "m", "units.csv", "--json").json["accuracy"],
        float(np.mean(alone)),
        float(np.mean(outputs.argmax(axis=1) == large)),
    ]


@pytest.mark.parametrize(
    ("unit", "offset"),
    [
        *((unit, 0.0) for unit in (1.0, 1e-10, 1e-19, 1e-45, 1e-60, 1e19, 1e30, 1e38, 1e60)),
        *((1.0, offset) for offset in (1e3, 1e6, 1e9, 1e12)),
        (1e-10, 0.1),
    ],
)
def test_a_quantity_is_learned_in_any_unit_beside_others(run: Run, tmp_path: Path, unit: float, offset: float) -> None:
    quantity, other = np.random.default_rng(0).normal(size=(2, 150))
    assert min(accuracies(run, tmp_path, quantity * unit + offset, other, quantity > 0)) > 0.9


@pytest.mark.parametrize("unit", [1e-60, 1e-30, 1e38, 1e60])
def test_all_columns_may_have_an_unusual_unit(run: Run, tmp_path: Path, unit: float) -> None:
    quantity, other = np.random.default_rng(0).normal(size=(2, 150)) * unit
    assert min(accuracies(run, tmp_path, quantity, other, quantity > 0)) > 0.9


@pytest.mark.parametrize("constant", [0.0, 7.0, 1e30, 1e-30, 1e60, 1e-60])
@pytest.mark.parametrize("noise", [0.0, 2.0**-52])
def test_a_constant_in_any_unit_is_not_learned_from(run: Run, tmp_path: Path, constant: float, noise: float) -> None:
    quantity, rounding = np.random.default_rng(0).normal(size=(2, 150))
    other = constant * (1 + noise * (rounding > 0))
    assert min(accuracies(run, tmp_path, quantity * 1e-10, np.full(150, other), quantity > 0)) > 0.9


def test_the_dtype_is_float32_where_that_serves(run: Run, tmp_path: Path) -> None:
    for column, dtype in (("1e-10", "float32"), ("1e19", "float32"), ("1e60", "float64"), ("1e9", "float64")):
        second = "1000000001" if column == "1e9" else f"-{column}"
        rows = "".join(f"{(column, second)[row % 2]},{row},{row % 2}\n" for row in range(40))
        (tmp_path / "a.csv").write_text(f"a,b,label\n{rows}")
        done = run("train", "a.csv", "--epochs", 1, "--out", "m")
        assert fn.load_model("m").dtype == dtype
        assert ("parameters in float64;" in done.err) == (dtype == "float64")
        assert run("verify", "m", "a.csv", "--quiet").out.startswith("identical")
        if dtype == "float64":
            done = run("train", "a.csv", "--dtype", "float32")
            assert done.status == 1
            assert "a.csv has columns that float32 cannot represent" in done.err
            assert "use --dtype float64" in done.err


def test_units_that_no_dtype_holds_are_refused(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"{row}e-200,{row},{row % 2}\n" for row in range(40))
    (tmp_path / "a.csv").write_text(f"a,b,label\n{rows}")
    done = run("train", "a.csv")
    assert done.status == 1
    assert "a.csv has columns that float64 cannot represent: with values too large, too small, " in done.err
    assert "change their units" in done.err


def test_a_float32_model_refuses_what_it_does_not_hold(run: Run, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("bill_mm,mass_g,iron_ppm,island\n40,1e39,0.0003,7\n")
    done = run("predict", trained, "new.csv")
    assert (done.status, done.out) == (1, "")
    assert "new.csv, line 2, column 'mass_g': '1e39' is not a finite number in float32" in done.err


def test_four_standard_deviations_of_usual_tables_become_1() -> None:
    x = np.random.default_rng(0).normal([3, 5e5], [1e-3, 7e4], (1000, 2)).astype(np.float32)
    (layer,) = _scaling.scaling(Dataset(x), "float32")
    adapted = fn.Normalization()
    adapted.adapt(x)
    for one in (layer, adapted):
        fn.Sequential([one]).build((2,))
    (mean, variance), (adapted_mean, adapted_variance) = layer.get_weights(), adapted.get_weights()
    assert mean.tolist() == adapted_mean.tolist()
    assert variance.tolist() == (16 * adapted_variance).tolist()


# ---- The index of pandas --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "csv twice", "parquet"])
def test_an_index_is_said_to_be_left_out_and_teaches_nothing(run: Run, tmp_path: Path, kind: str) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    noise = pd.DataFrame(np.random.default_rng(1).normal(size=(400, 3)), columns=list("abc"))
    shuffled = noise.assign(label=np.repeat([0, 1], 200)).sample(frac=1, random_state=0)
    path = tmp_path / "a.table"
    if kind == "parquet":
        shuffled.to_parquet(path)
    else:
        shuffled.to_csv(path)
    if kind == "csv twice":
        pd.read_csv(path).to_csv(path, index=False)
    done = run("train", path, "--epochs", 20, "--json", "--out", "m")
    assert done.status == 0
    assert done.err.count("warning") == 1
    assert "an index that pandas wrote, not a feature; left out" in done.err
    assert fn.load_model("m").feature_names == ["a", "b", "c"]
    assert done.json["held_out"]["accuracy"] < 0.75
    assert len(run("predict", "m", path, "--quiet").out.splitlines()) == 401


def test_the_label_cannot_name_the_rows(run: Run, flowers: Path) -> None:
    done = run("train", flowers, "--id", "label")
    assert done.status == 1
    assert "--id label: the column holds the labels; name one that is neither label nor feature" in done.err


def test_features_need_different_names(run: Run, tmp_path: Path) -> None:
    write_flowers(tmp_path / "a.csv", header="width,width,label")
    done = run("train", "a.csv", "--epochs", 1)
    assert done.status == 1
    assert "a.csv has 2 columns named 'width': rename or remove them" in done.err


def test_a_column_that_is_unknown_to_the_model_may_name_the_rows(run: Run, model: Path) -> None:
    Path("new.csv").write_text("id,width,height\n7,1,5\n")
    done = run("predict", model, "new.csv")
    assert "--target names the column of the labels, --id one that names the rows; neither is a feature." in done.err
