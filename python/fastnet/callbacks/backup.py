"""Checkpoints that training goes on from."""

import os
from typing import TYPE_CHECKING, Any

from fastnet.callbacks.base import WithArguments
from fastnet.support.validation import check_bool, check_integer, check_number

if TYPE_CHECKING:
    from fastnet.files.checkpoint_folder import CheckpointFolder


class BackupAndRestore(WithArguments):
    """Writes checkpoints while `fit` runs, and lets the same script, run again, go on from the last one.

    A run that is interrupted at any moment, be it by SIGKILL or a loss of power, and goes on, ends with the weights and
    the history of a run that was not, bit for bit, on any number of threads. A checkpoint is one safetensors file with
    everything that training needs: weights, state of the optimizer, count of steps, learning rate, random state, position
    in the epoch, history, the best weights so far and the state of the other callbacks.

    Parameters
    ----------
    backup_dir : str or os.PathLike
        The folder of the checkpoints, made where it is missing. Every call of `fit` needs one of its own, and one process
        at a time uses it.
    save_freq : "epoch" or int, default "epoch"
        Write after every epoch, or after every so many batches.
    double_checkpoint : bool, default False
        Accepted as in Keras: two are kept anyway.
    delete_checkpoint : bool, default True
        Whether the checkpoints are removed when training is complete. They stay when it ends by Ctrl-C, an error or
        `max_time`.
    seconds : float, optional
        Write at the end of the batch in progress when so many seconds have passed since the last checkpoint, instead of
        after every epoch.
    keep : int, default 2
        How many of the last checkpoints stay. Where the newest is damaged, training goes on from the one before it.
    keep_best : bool, default False
        Whether a checkpoint is written at the end of every epoch that is the best so far, by "val_loss" or, without
        validation, "loss", and the last such one is kept besides. Its name ends in "-best".

    Attributes
    ----------
    resumed_from : str or None
        The checkpoint that the last `fit` went on from.
    seconds_before : float
        How long training had taken up to that checkpoint.

    Raises
    ------
    ValueError
        In `fit`: the newest checkpoint is of another architecture, compile configuration, size of data or batch, or set
        of callbacks; the message names the difference.

    Notes
    -----
    Training waits while the state is copied in memory, and goes on while the copy is on its way to the disk. A checkpoint
    that cannot be written, because the disk is full for example, is a RuntimeWarning; the one before it stays.

    Ctrl-C writes a checkpoint at the end of the batch in progress, or at once in a validation, which begins anew when
    training goes on; a second one does not wait for that. SIGTERM and SIGHUP do the same in a program that gives them
    Ctrl-C's handler, `signal.default_int_handler`.

    A source of batches must yield the same batches when it is read again. Items that are asked for by their numbers
    must depend on the number alone; generators and loaders are read from their start, and what was trained on already is
    dropped. The state of random generators outside of the model, such as NumPy's, is not kept.

    A callback of your own that remembers something says so in `Callback.state_names`.

    Examples
    --------
    >>> import os
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> def train(epochs):
    ...     model = fn.Sequential([fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(10, "softmax")], seed=0)
    ...     model.compile("adam", "sparse_categorical_crossentropy")
    ...     backup = fn.callbacks.BackupAndRestore("backup", delete_checkpoint=False)
    ...     model.fit(x, y, epochs=epochs, verbose=0, callbacks=[backup])
    ...     return backup.resumed_from and os.path.basename(backup.resumed_from)
    >>> train(epochs=2)
    >>> train(epochs=3)
    'checkpoint-000002-000000000.safetensors'
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        *,
        seconds: float | None = None,
        keep: int = 2,
        keep_best: bool = False,
    ) -> None:
        super().__init__()
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq if save_freq == "epoch" else check_integer("save_freq", save_freq)
        check_bool("double_checkpoint", double_checkpoint)
        self.delete_checkpoint = check_bool("delete_checkpoint", delete_checkpoint)
        self.seconds = None if seconds is None else check_number("seconds", seconds, minimum=0.0)
        if self.seconds is not None and self.save_freq != "epoch":
            raise ValueError(f"give seconds or save_freq, not both; got {seconds} and {save_freq}")
        self.keep = check_integer("keep", keep)
        self.keep_best = check_bool("keep_best", keep_best)
        self.resumed_from: str | None = None
        self.seconds_before = 0.0
        # What else must be the same for training to go on, as JSON can hold it.
        self.identity: dict[str, Any] = {}

    def folder(self) -> "CheckpointFolder":
        """Return the folder of the checkpoints."""
        from fastnet.files.checkpoint_folder import CheckpointFolder

        return CheckpointFolder(self.backup_dir, self.keep)

    def delete(self) -> None:
        """Remove the checkpoints: with ``delete_checkpoint=False``, when what was made of the training is saved."""
        self.folder().delete()
