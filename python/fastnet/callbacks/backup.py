"""Checkpoints from which training resumes."""

import os
from typing import TYPE_CHECKING, Any

from fastnet.callbacks.base import WithArguments
from fastnet.support.validation import check_bool, check_integer, check_number

if TYPE_CHECKING:
    from fastnet.files.checkpoint_folder import CheckpointFolder


class BackupAndRestore(WithArguments):
    """Write checkpoints during `fit`, and resume from the last one when the same script runs again.

    A run may be interrupted at any moment, even by SIGKILL or a power failure. Once resumed, it ends with the same
    weights and history as an uninterrupted run, bit for bit, on any number of threads. A checkpoint is one safetensors
    file with the full training state: weights, optimizer state, number of steps, learning rate, random state, position
    in the epoch, history, the best weights so far and the state of the other callbacks.

    Parameters
    ----------
    backup_dir : str or os.PathLike
        The folder of the checkpoints, created if it is missing. Every call of `fit` needs its own folder, which only
        one process may use at a time.
    save_freq : "epoch" or int, default "epoch"
        Write after every epoch, or after this number of batches.
    double_checkpoint : bool, default False
        Accepted for compatibility with Keras; see `keep`.
    delete_checkpoint : bool, default True
        Whether to delete the checkpoints when training is complete. They are kept after Ctrl-C, an error or the end of
        `max_time`.
    seconds : float, optional
        Write at the end of the current batch once this many seconds have passed since the last checkpoint, instead of
        after every epoch.
    keep : int, default 2
        The number of latest checkpoints to keep. If the newest is damaged, training resumes from the one before it.
    keep_best : bool, default False
        Whether to write a checkpoint after every epoch that is the best so far, by "val_loss" or, without validation,
        "loss". The last one is kept in addition to the others; its name ends in "-best".

    Attributes
    ----------
    resumed_from : str or None
        The checkpoint from which the last `fit` resumed.
    seconds_before : float
        The training time up to that checkpoint.

    Raises
    ------
    ValueError
        In `fit`: the newest checkpoint is of another architecture, compile configuration, size of data or batch, or set
        of callbacks; the message names the difference.

    Notes
    -----
    Training waits while the state is copied in memory, and continues while the copy is written to the disk. A
    checkpoint that cannot be written, for example because the disk is full, is a RuntimeWarning; the one before it
    stays.

    Ctrl-C writes a checkpoint at the end of the current batch, or at once during a validation, which starts over when
    training resumes. A second Ctrl-C does not wait. SIGTERM and SIGHUP do the same in a program that gives them
    Ctrl-C's handler, `signal.default_int_handler`.

    A source of batches must yield the same batches when it is read again. Items that are read by index must depend on
    the index alone. Generators and loaders are read from their start, and batches that were trained on already are
    dropped. The state of random generators outside of the model, such as NumPy's, is not kept.

    A custom callback lists the attributes that hold its state in `Callback.state_names`.

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

    rank_0_alone = True

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
        # Further values, JSON-serializable, that must be the same for training to resume.
        self.identity: dict[str, Any] = {}
        # The same, compared before all others, so that messages name them.
        self.options: dict[str, Any] = {}

    def folder(self) -> "CheckpointFolder":
        """Return the folder of the checkpoints."""
        from fastnet.files.checkpoint_folder import CheckpointFolder

        return CheckpointFolder(self.backup_dir, self.keep)

    def delete(self) -> None:
        """Delete the checkpoints; with ``delete_checkpoint=False``, call it once the results are saved."""
        self.folder().delete()
