"""`make bench`: every measurement against the peers, each pair in one run.

Figures are ratios within a run: seconds differ from machine to machine, and from hour to hour.
"""

from tests.benchmarks import classify_rate, drawer_speed, patternnet_quality

if __name__ == "__main__":
    classify_rate.main()
    drawer_speed.main()
    patternnet_quality.main([])
