"""The arguments of every command. Nothing is imported for them but argparse."""

import argparse
import math
from collections.abc import Callable, Sequence

import fastnet

__all__ = ["parse_arguments"]

ACTIVATIONS = (
    *("relu", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu", "mish", "softplus", "softsign"),
    *("tanh", "sigmoid", "linear"),
)
DTYPES = ("float32", "float64", "mixed_bfloat16")
OPTIMIZERS = ("adam", "adamw", "nadam", "adamax", "lion", "sgd", "rmsprop", "adagrad")
OPTIMIZERS_WITH_MOMENTUM = ("sgd", "rmsprop")

SECONDS = {"s": 1, "m": 60, "h": 3600}

DATA_HELP = (
    "digits, mnist or fashion_mnist; or a path: a folder of IDX files, a .csv or .csv.gz with a header, "
    "a .npz, a .parquet"
)
TARGET_HELP = "the column of DATA that holds the label: its name, or its index from 0 (default: label)"
JSON_HELP = "print the result as one JSON document"
EXAMPLES = """\
examples:
  fastnet train                                        learn scikit-learn's digits in a second or two
  fastnet train mnist --out mnist.safetensors          learn MNIST and keep the model
  fastnet train train.csv --hidden 256,128 --epochs 20
  fastnet evaluate mnist.safetensors mnist
  fastnet predict mnist.safetensors test.csv --out predictions.csv
  fastnet verify mnist.safetensors mnist
"""


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments; exits as argparse does for --help, --version and wrong usage."""
    parser = argparse.ArgumentParser(
        prog="fastnet",
        description="Train and use dense neural networks on the CPU.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastnet {fastnet.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    train = commands.add_parser("train", help="train a classifier and report how good it is", description=TRAIN)
    _add_train(train)
    _add_evaluate(commands.add_parser("evaluate", help="measure a model on data with labels", description=EVALUATE))
    _add_predict(commands.add_parser("predict", help="write the class of every row as CSV", description=PREDICT))
    _add_verify(commands.add_parser("verify", help="train again and compare with a model", description=VERIFY))
    _add_info(commands.add_parser("info", help="show what is in a model file", description=INFO))
    _add_export(
        commands.add_parser("export", help="write a model as ONNX, as C or as a state dict", description=EXPORT)
    )
    arguments = parser.parse_args(argv)
    if arguments.command == "train" and arguments.momentum and arguments.optimizer not in OPTIMIZERS_WITH_MOMENTUM:
        accepted = " or ".join(OPTIMIZERS_WITH_MOMENTUM)
        train.error(f"argument --momentum: is for --optimizer {accepted}, not for {arguments.optimizer}")
    if arguments.command == "train" and not arguments.checkpoint:
        given = {"--every": arguments.every, "--keep": arguments.keep, "--resume": arguments.resume}
        for option in [option for option, value in given.items() if value]:
            train.error(f"argument {option}: needs --checkpoint DIR")
    return arguments


# ---- Commands -------------------------------------------------------------------------------------------------------

TRAIN = (
    "Train a classifier and report its accuracy on data that it has not seen: on the test set that the data bring, "
    "else on a part that is held out. The model scales its inputs itself, so it takes raw data later on."
)
EVALUATE = "Measure the accuracy of a model on data with labels; on the test set where the data bring one."
PREDICT = "Write a CSV file with the class of every row of the data and its probability."
VERIFY = (
    "Train again as the receipt in a model file says, on the same data, and compare the weights bit for bit. The exit "
    "status is 0 if they are identical, else 1."
)
INFO = "Show what is in a model file: architecture, training configuration, classes, checksum, receipt."
EXPORT = (
    "Write a model for other programs: ONNX for onnxruntime and others (needs the extra onnx), one C99 file without "
    "dependencies, or a safetensors file that PyTorch loads as a state dict. Each export is run beside the model first."
)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", nargs="?", default="digits", metavar="DATA", help=f"{DATA_HELP} (default: digits)")
    model = parser.add_argument_group("model")
    model.add_argument(
        "--hidden",
        type=_hidden,
        default=(256, 128),
        metavar="N,N",
        help="units of each hidden layer, or none (default: 256,128)",
    )
    model.add_argument("--activation", choices=ACTIVATIONS, default="relu", help="of the hidden layers (default: relu)")
    model.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="what the model computes in; mixed_bfloat16 is about twice as fast for wide layers on a processor that "
        "multiplies bfloat16 (default: float32)",
    )
    training = parser.add_argument_group("training")
    training.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="(default: adam)")
    training.add_argument(
        "--lr",
        type=_positive_number,
        metavar="X",
        help="learning rate of the first epoch, from which it falls in equal steps to a hundredth "
        "(default: 0.003; 0.001 for rmsprop, 0.1 for sgd)",
    )
    training.add_argument("--momentum", type=_fraction, metavar="X", help="of sgd or rmsprop (default: 0)")
    training.add_argument(
        "--epochs",
        type=_integer(1),
        metavar="N",
        help="passes over the data (default: as many as show 300,000 rows, from 5 to 50)",
    )
    training.add_argument(
        "--batch-size",
        type=_integer(1),
        metavar="N",
        help="rows in a step (default: 16; 128 from 10,000 rows on)",
    )
    training.add_argument(
        "--seed", type=_integer(0), default=0, metavar="N", help="of the split, the weights and the order (default: 0)"
    )
    training.add_argument("--threads", type=_integer(1), metavar="N", help="(default: the cores that may be used)")
    checkpoints = parser.add_argument_group("checkpoints")
    checkpoints.add_argument(
        "--checkpoint",
        metavar="DIR",
        help="write checkpoints to this folder, to go on from after an interruption; they are removed at the end",
    )
    checkpoints.add_argument(
        "--every", type=_seconds, metavar="TIME", help="between checkpoints, such as 30s, 5m or 1h (default: 30s)"
    )
    checkpoints.add_argument("--keep", type=_integer(1), metavar="N", help="how many of the last stay (default: 2)")
    checkpoints.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint, or begin where there is none"
    )
    data = parser.add_argument_group("data and output")
    data.add_argument(
        "--validation", type=_fraction, default=0.1, metavar="X", help="fraction that is held out (default: 0.1)"
    )
    data.add_argument("--target", type=_column, default="label", metavar="COLUMN", help=TARGET_HELP)
    data.add_argument("--out", metavar="FILE", help="write the model to this file, for example model.safetensors")
    data.add_argument("--quiet", action="store_true", help="no progress and no messages, only the result")
    data.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_model_and_data(parser)
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    _add_model_and_data(parser)
    parser.add_argument("--out", metavar="FILE", help="write to this file instead of standard output")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file that fastnet train wrote")
    parser.add_argument("data", metavar="DATA", help="what it was trained on")
    parser.add_argument("--threads", type=_integer(1), metavar="N", help="(default: the cores that may be used)")
    parser.add_argument(
        "--tolerance",
        type=_fraction,
        metavar="X",
        help="take other weights, too, where the accuracies differ by X at most, such as 0.01 on another instruction set",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress and no messages, only the result")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file")
    parser.add_argument("--to", required=True, choices=("onnx", "c", "state-dict"), help="the language")
    parser.add_argument("--out", metavar="FILE", help="the file to write (default: MODEL with another suffix)")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def _add_model_and_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file that fastnet wrote")
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    parser.add_argument("--target", type=_column, default="label", metavar="COLUMN", help=TARGET_HELP)
    parser.add_argument("--threads", type=_integer(1), metavar="N", help="(default: the cores that may be used)")


# ---- Types of arguments ---------------------------------------------------------------------------------------------


def _integer(minimum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise argparse.ArgumentTypeError(f"must be an integer of at least {minimum}; got {text!r}")
        return number

    return parse


def _number(text: str, accepted: Callable[[float], bool], description: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not accepted(number):
        raise argparse.ArgumentTypeError(f"must be {description}; got {text!r}")
    return number


def _positive_number(text: str) -> float:
    return _number(text, lambda number: 0 < number < math.inf, "a number above 0")


def _fraction(text: str) -> float:
    return _number(text, lambda number: 0 <= number < 1, "a number from 0 to below 1")


def _seconds(text: str) -> float:
    unit = SECONDS.get(text[-1:], 0)
    number = text[:-1] if unit else text
    try:
        return _positive_number(number) * (unit or 1)
    except argparse.ArgumentTypeError:
        accepted = "a time above 0 such as 30s, 5m, 1h or a number of seconds"
        raise argparse.ArgumentTypeError(f"must be {accepted}; got {text!r}") from None


def _hidden(text: str) -> tuple[int, ...]:
    if text.strip().lower() == "none":
        return ()
    units = text.split(",")
    if not all(number.strip().isascii() and number.strip().isdigit() and int(number) > 0 for number in units):
        raise argparse.ArgumentTypeError(f"must be positive integers with commas, such as 64,64, or none; got {text!r}")
    return tuple(int(number) for number in units)


def _column(text: str) -> str | int:
    return int(text) if text.removeprefix("-").isdecimal() else text
