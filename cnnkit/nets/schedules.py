"""The learning rate of every step, a function of the settings alone (and, on a plateau, of them).

Letters: s the step counted from 0, n the steps of an epoch, E the epochs, w the warm-up in epochs.
"""

import math

from cnnkit.records import Fitting

# "step" is a tenth after each third of the run, "plateau" a half after so many epochs in vain.
_STEPS, _FACTOR = 3, 0.1
PLATEAU_PATIENCE, _PLATEAU_FACTOR = 3, 0.5
# Cosine annealing without restarts ends here, over its peak (Loshchilov and Hutter 2017, eq. 5).
_COSINE_END = 0.01


def learning_rate(fitting: Fitting, step: int, steps: int, reductions: int = 0) -> float:
    """The rate at step s of a run whose epochs have `steps` steps.

    It rises in a straight line over the warm-up (Goyal et al. 2017, section 2.2). `reductions` is
    how often the plateau schedule has reduced it.
    """
    peak, epoch = fitting.learning_rate, step / steps
    if epoch < fitting.warmup:
        return peak * (step + 1) / max(1.0, math.ceil(fitting.warmup * steps))
    if fitting.schedule == "plateau":
        return peak * _PLATEAU_FACTOR**reductions
    if fitting.schedule == "constant":
        return peak
    done = (epoch - fitting.warmup) / max(fitting.epochs - fitting.warmup, 1e-9)
    if fitting.schedule == "step":
        return peak * _FACTOR ** min(int(done * _STEPS), _STEPS - 1)
    return peak * (_COSINE_END + (1 - _COSINE_END) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
