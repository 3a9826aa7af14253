"""Record what the schedules of Keras, scikit-learn and PyTorch return, in double precision, for test_schedules.py.

usage: KERAS_BACKEND=torch python tests/record_schedules.py > tests/data/schedules.json

Needs keras, torch and scikit-learn, which the tests do not. Each entry has the name of a schedule, its arguments, and the learning
rates of `STEPS`; PyTorch's OneCycleLR has no rate after its last step.
"""

import json
import sys

import keras
import torch

STEPS = [*range(40), 64, 99, 100, 101, 250]

KERAS = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7.5, "decay_rate": 0.9, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 10, 30], "values": [0.5, 0.25, 0.05, 0.01]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 30}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 12, "end_learning_rate": 0.01, "power": 0.5}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 12, "power": 2.0, "cycle": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 8, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 8, "decay_rate": 0.5, "staircase": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 30}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 30, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.01, "decay_steps": 25, "warmup_target": 0.1, "warmup_steps": 10}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 25, "warmup_steps": 10}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 25, "warmup_target": 0.2}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 11}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 9, "t_mul": 1.0, "m_mul": 0.8}),
    (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.1, "first_decay_steps": 6, "t_mul": 1.5, "m_mul": 0.5, "alpha": 0.05},
    ),
]
TORCH = [
    {"max_lr": 0.009, "total_steps": 40},
    {"max_lr": 0.009, "total_steps": 33, "pct_start": 0.5, "anneal_strategy": "linear"},
    {"max_lr": 1.0, "total_steps": 40, "pct_start": 0.1, "div_factor": 10.0, "final_div_factor": 100.0},
    {"max_lr": 1.0, "total_steps": 40, "pct_start": 0.0},
    {"max_lr": 1.0, "total_steps": 40, "pct_start": 1.0},
    {"max_lr": 1.0, "total_steps": 1},
]


SKLEARN = [{"initial_learning_rate": 0.1, "power": 0.5}, {"initial_learning_rate": 0.5, "power": 0.25}]


def sklearn_rates(arguments: dict[str, float]) -> list[float]:
    from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

    optimizer = SGDOptimizer([], arguments["initial_learning_rate"], "invscaling", power_t=arguments["power"])
    rates = []
    for step in STEPS:
        optimizer.iteration_ends(step)
        rates.append(float(optimizer.learning_rate))
    return rates


def keras_rates(name: str, arguments: dict[str, object]) -> list[float]:
    schedule = getattr(keras.optimizers.schedules, name)(**arguments)
    return [float(keras.ops.convert_to_numpy(schedule(step))) for step in STEPS]


def torch_rates(arguments: dict[str, object]) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, cycle_momentum=False, **arguments)
    rates = []
    for step in range(arguments["total_steps"]):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        if step + 1 < arguments["total_steps"]:
            schedule.step()
    return rates


keras.config.set_floatx("float64")
recorded = [{"name": name, "arguments": arguments, "rates": keras_rates(name, arguments)} for name, arguments in KERAS]
for arguments in SKLEARN:
    recorded.append({"name": "InverseScaling", "arguments": arguments, "rates": sklearn_rates(arguments)})
for arguments in TORCH:
    renamed = {"max_learning_rate" if name == "max_lr" else name: value for name, value in arguments.items()}
    recorded.append({"name": "OneCycle", "arguments": renamed, "rates": torch_rates(arguments)})
lines = ",\n".join(json.dumps(entry) for entry in recorded)
sys.stdout.write(
    f'{{"keras": "{keras.__version__}", "torch": "{torch.__version__}", "steps": {STEPS},\n"schedules": [\n{lines}\n]}}\n'
)
