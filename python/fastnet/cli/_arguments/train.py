"""The arguments of ``fastnet train``."""

import argparse

from fastnet._core import activation_names
from fastnet.cli._arguments.command import (
    DATA_HELP,
    Command,
    Container,
    Parser,
    add_flag,
    add_json,
    add_quiet,
    add_run_dir,
    add_table,
    add_threads,
)
from fastnet.cli._arguments.layers import AUGMENTATIONS, NETWORKS, USAGE, augmentations, layers
from fastnet.cli._arguments.types import (
    class_weight,
    fraction,
    hidden_layers,
    image_shape,
    integer,
    not_negative,
    patience,
    positive_number,
    seconds,
)

__all__ = ["ACTIVATIONS", "COMMAND", "OPTIMIZERS"]

# Without those that hidden layers do not learn with: of whole rows, flat, or without bounds.
_NOT_HIDDEN = {"linear", "softmax", "log_softmax", "hard_sigmoid", "exponential"}
ACTIVATIONS = (*(name for name in activation_names() if name not in _NOT_HIDDEN), "linear")
DTYPES = ("float32", "float64", "mixed_bfloat16")
OPTIMIZERS = ("adam", "adamw", "nadam", "adamax", "lion", "sgd", "rmsprop", "adagrad")
OPTIMIZERS_WITH_MOMENTUM = ("sgd", "rmsprop")
SCHEDULES = ("linear", "cosine", "constant", "one-cycle")
TASKS = ("classification", "regression")
PATIENCE = 10


def add_arguments(parser: Parser) -> None:
    """Add DATA and the options, in groups."""
    parser.add_argument("data", nargs="?", default="digits", metavar="DATA", help=f"{DATA_HELP} (default: digits)")
    _add_model_options(parser.add_argument_group("model"))
    _add_training_options(parser.add_argument_group("training"))
    _add_checkpoint_options(parser.add_argument_group("checkpoints"))
    _add_data_options(parser.add_argument_group("data and output"))


def _add_model_options(group: Container) -> None:
    group.add_argument(
        "--network",
        choices=("mlp", *NETWORKS),
        help="mlp: the dense layers of --hidden; for images "
        + "; ".join(f"{name}: {text}" for name, text in NETWORKS.items())
        + " (default: mlp)",
    )
    group.add_argument(
        "--hidden",
        type=hidden_layers,
        metavar="N,N",
        help="units of each hidden layer, or none (default: 64,64; 128,64 from 1,000 rows on; 256,128 from 10,000 "
        "rows on and for images)",
    )
    group.add_argument(
        "--layers",
        type=layers,
        metavar="TEXT",
        help=f"the hidden layers written out, with commas between them, in place of a network: {USAGE}",
    )
    group.add_argument(
        "--dropout", type=fraction, metavar="X", help="dropout of this rate after each layer of --hidden (default: 0)"
    )
    add_flag(group, "--batch-norm", help="batch normalization after each layer of --hidden")
    group.add_argument(
        "--ensemble",
        type=integer(2, 1000),
        metavar="N",
        help="train N networks, with seeds from --seed on, and average their predictions in one model file",
    )
    group.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        default="relu",
        metavar="NAME",
        help=f"of the hidden layers: {', '.join(ACTIVATIONS)} (default: relu)",
    )
    group.add_argument(
        "--augment",
        type=augmentations,
        metavar="WORD,...",
        help="change the images at random in training, each time in another way, with commas between the words: "
        + "; ".join(f"{word}: {how}" for word, how in AUGMENTATIONS.items())
        + " (default: leave them as they are)",
    )
    group.add_argument(
        "--dtype",
        choices=DTYPES,
        help="the data type of the model; mixed_bfloat16 is about twice as fast for wide layers on a processor with "
        "native bfloat16 (default: float32; float64 for columns that float32 cannot represent)",
    )


def _add_training_options(group: Container) -> None:
    group.add_argument(
        "--optimizer",
        choices=OPTIMIZERS,
        default="adam",
        metavar="NAME",
        help=f"{', '.join(OPTIMIZERS)} (default: adam)",
    )
    group.add_argument(
        "--lr",
        type=positive_number,
        metavar="X",
        help="the largest learning rate (default: 0.003; 0.001 for rmsprop, 0.1 for sgd)",
    )
    group.add_argument(
        "--schedule",
        choices=SCHEDULES,
        default="linear",
        help="how the learning rate changes: linear and cosine: falls to a hundredth, epoch by epoch; constant: stays; "
        "one-cycle: rises and falls, step by step (default: linear)",
    )
    group.add_argument(
        "--weight-decay",
        type=not_negative,
        metavar="X",
        help="of the optimizer (default: 300 / rows, and 0.5 at most, for adam, adamw, nadam and adamax; 0 for others)",
    )
    group.add_argument("--momentum", type=fraction, metavar="X", help="of sgd or rmsprop (default: 0)")
    group.add_argument(
        "--epochs",
        type=integer(1),
        metavar="N",
        help="passes over the data (default: enough for 300,000 rows in total, from 5 to 50)",
    )
    group.add_argument(
        "--early-stopping",
        type=patience(PATIENCE),
        nargs="?",
        const=PATIENCE,
        metavar="N",
        help="end when the loss of the held-out rows has not improved for N epochs, and take the best weights "
        f"(N: {PATIENCE} unless given)",
    )
    group.add_argument(
        "--class-weight",
        type=class_weight,
        metavar="WEIGHTS",
        help="weights of the classes in the loss: balanced, or such as rose=2,lily=0.5 (default: 1 for all)",
    )
    group.add_argument(
        "--batch-size",
        type=integer(1),
        metavar="N",
        help="rows per step (default: 16; 128 from 10,000 rows on)",
    )
    group.add_argument(
        "--seed",
        type=integer(0),
        default=0,
        metavar="N",
        help="seed of the split, the weights and the order (default: 0)",
    )
    add_threads(group)
    add_flag(
        group,
        "--distributed",
        help="share every batch among the processes that mpiexec started, as in mpiexec -n 4 fastnet train ... "
        "--distributed",
    )
    group.add_argument(
        "--shards",
        type=integer(1),
        metavar="N",
        help="parts of every batch, which the processes compute; the result depends on their number alone (default: 8)",
    )


def _add_checkpoint_options(group: Container) -> None:
    group.add_argument(
        "--checkpoint",
        metavar="DIR",
        help="write checkpoints to this folder, to resume from after an interruption; they are deleted at the end",
    )
    group.add_argument(
        "--every", type=seconds, metavar="TIME", help="between checkpoints, such as 30s, 5m or 1h (default: 30s)"
    )
    group.add_argument("--keep", type=integer(1), metavar="N", help="number of latest checkpoints to keep (default: 2)")
    add_flag(group, "--resume", help="resume from the last checkpoint, if there is one")


def _add_data_options(group: Container) -> None:
    group.add_argument(
        "--validation", type=fraction, default=0.1, metavar="X", help="fraction that is held out (default: 0.1)"
    )
    group.add_argument(
        "--image-shape",
        type=image_shape,
        metavar="H,W,C",
        help="the rows of DATA are images of this shape, such as 28,28,1, or square (default: the shape in DATA)",
    )
    group.add_argument(
        "--task",
        choices=TASKS,
        help="whether the targets are classes or numbers (default: text is classes, numbers with a fraction are numbers; "
        "whole numbers are classes if they are few, occur often or count from 0 or 1: two of the three)",
    )
    add_table(group)
    group.add_argument(
        "--out",
        metavar="FILE",
        help="write the model to this file, for example model.safetensors, or to standard output: -",
    )
    add_run_dir(group, "configuration, history, model and report")
    add_quiet(group)
    add_json(group)


def check(parser: Parser, arguments: argparse.Namespace) -> None:
    """Refuse options that have no effect without, or together with, another option."""
    if arguments.momentum and arguments.optimizer not in OPTIMIZERS_WITH_MOMENTUM:
        accepted = " or ".join(OPTIMIZERS_WITH_MOMENTUM)
        parser.error(f"argument --momentum: is for --optimizer {accepted}, not for {arguments.optimizer}")
    networks = {
        "--hidden": arguments.hidden is not None,
        "--layers": bool(arguments.layers),
        f"--network {arguments.network}": arguments.network in NETWORKS,
    }
    if len(both := [option for option, is_given in networks.items() if is_given]) > 1:
        parser.error(f"argument {both[0]}: not together with {both[1]}: each gives the hidden layers")
    if arguments.out == "-" and arguments.json:
        parser.error("argument --json: needs --out FILE, as standard output has the model")
    _check_regularization(parser, arguments)
    if arguments.shards and not arguments.distributed:
        parser.error("argument --shards: needs --distributed")
    if not arguments.checkpoint:
        given = {"--every": arguments.every, "--keep": arguments.keep, "--resume": arguments.resume}
        for option in [option for option, value in given.items() if value]:
            parser.error(f"argument {option}: needs --checkpoint DIR")


def _check_regularization(parser: Parser, arguments: argparse.Namespace) -> None:
    written = "--layers" if arguments.layers else f"--network {arguments.network}"
    if arguments.layers or arguments.network in NETWORKS:
        if arguments.dropout:
            parser.error(f"argument --dropout: is for --hidden; with {written}, write dropout X in --layers")
        if arguments.batch_norm:
            parser.error(f"argument --batch-norm: is for --hidden; with {written}, write norm in --layers")
    elif arguments.hidden == ():
        given = {"--dropout": arguments.dropout, "--batch-norm": arguments.batch_norm}
        for option in [option for option, value in given.items() if value]:
            parser.error(f"argument {option}: needs hidden layers, and --hidden is none")
    if arguments.early_stopping and not arguments.validation:
        parser.error("argument --early-stopping: needs held-out rows, and --validation is 0")
    if arguments.class_weight and arguments.task == "regression":
        parser.error("argument --class-weight: is for classes, not for --task regression")
    if arguments.ensemble and arguments.checkpoint:
        parser.error("argument --ensemble: not together with --checkpoint, which keeps the training of one network")


COMMAND = Command(
    summary="train a model and report how good it is",
    description=(
        "Train a classifier, or a regression if the targets are numbers, and report how good it is on data that it has "
        "not seen: on the test set if the data include one, else on held-out rows. The model scales its inputs itself, so that it can be used with raw data."
    ),
    examples=(
        ("train", "learn digits in a second"),
        ("train mnist --out mnist.safetensors", "learn MNIST, keep the model"),
        ("train mnist --run-dir runs/1", "keep everything in a folder"),
        ("train mnist --network cnn", "learn MNIST with convolutions"),
        ("train --config run.toml --epochs 20", "options from a file"),
        ('train mnist --layers "conv 16 5, pool 2, dense 64" --epochs 3', ""),
        ("train train.csv --hidden 256,128 --epochs 20 --target species", ""),
        ("train train.csv --optimizer sgd --lr 0.1 --momentum 0.9 --seed 7", ""),
        ("train mnist --checkpoint kept --resume", "resume after an interruption"),
        ("train mnist --distributed --threads 1", "with mpiexec -n 4 before it"),
    ),
    add_arguments=add_arguments,
    check=check,
)
