"""`make bench`: every measurement against the peers, each pair in one run.

Figures are ratios within a run: seconds differ from machine to machine, and from hour to hour.
Arguments are those of `tests.benchmarks.end_to_end`.
"""

import sys

from tests.benchmarks import (
    augment_speed,
    drawer_speed,
    end_to_end,
    finetune_speed,
    flower_folds,
    patternnet_quality,
    search_speed,
    store_speed,
)

if __name__ == "__main__":
    end_to_end.main()
    at = sys.argv.index("--peers") if "--peers" in sys.argv else len(sys.argv)
    search_speed.main(sys.argv[at : at + 2])
    store_speed.main([])
    finetune_speed.main([])
    augment_speed.main([])
    flower_folds.main([])
    drawer_speed.main()
    patternnet_quality.main([])
