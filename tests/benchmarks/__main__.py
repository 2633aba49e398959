"""`make bench`: every measurement against the peers, each pair in one run.

Figures are ratios within a run: seconds differ from machine to machine, and from hour to hour.
Arguments are those of `tests.benchmarks.end_to_end`.
"""

from tests.benchmarks import drawer_speed, end_to_end, patternnet_quality

if __name__ == "__main__":
    end_to_end.main()
    drawer_speed.main()
    patternnet_quality.main([])
