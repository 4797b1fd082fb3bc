# SPDX-License-Identifier: Apache-2.0
"""How the range of a quantizer is estimated from what calibration sees.

Each end of the range is found in two steps: a statistic of every sample, then an aggregate over the samples.
"""

from dataclasses import dataclass, field
from enum import Enum


class StatisticsType(Enum):
    """The statistic taken of each sample.

    MAX, MIN, MEAN: of the values.
    ABS_MAX: the largest magnitude.
    QUANTILE, ABS_QUANTILE: a quantile of the values, or of their magnitudes.
    RAW: the values themselves, each of which counts as a sample for the aggregator.
    """

    MAX = "max"
    MIN = "min"
    ABS_MAX = "abs_max"
    QUANTILE = "quantile"
    ABS_QUANTILE = "abs_quantile"
    MEAN = "mean"
    RAW = "raw"


class AggregatorType(Enum):
    """How the statistics of all samples become one number.

    MEAN, MAX, MIN, MEDIAN: the usual meaning.
    MEAN_NO_OUTLIERS, MEDIAN_NO_OUTLIERS: the same after the extreme samples at both ends are left out.
    HISTOGRAM: the range with the least quantization error on a histogram of all values; only of `StatisticsType.RAW`.
    OUTPUT_ERROR: from the extremes inwards, what makes the least error in the outputs of the layers that read the
        tensor; only of extremes.
    """

    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    MEDIAN = "median"
    MEAN_NO_OUTLIERS = "mean_no_outliers"
    MEDIAN_NO_OUTLIERS = "median_no_outliers"
    HISTOGRAM = "histogram"
    OUTPUT_ERROR = "output_error"


@dataclass
class StatisticsCollectorParameters:
    """The estimate of one end of a range. A field that is None keeps the default of its quantizer.

    statistics_type: the statistic of each sample.
    aggregator_type: how samples are combined.
    clipping_value: values are clipped to [-clipping_value, clipping_value] before the statistic is taken.
    quantile_outlier_prob: probability in [0, 0.5) used by the quantile statistics and by the aggregators without
        outliers. The upper end uses one minus it.
    """

    statistics_type: StatisticsType | None = None
    aggregator_type: AggregatorType | None = None
    clipping_value: float | None = None
    quantile_outlier_prob: float = 1e-4


@dataclass
class RangeEstimatorParameters:
    """The estimates of both ends of a range.

    min: the lower end.
    max: the upper end.
    """

    min: StatisticsCollectorParameters = field(default_factory=StatisticsCollectorParameters)
    max: StatisticsCollectorParameters = field(default_factory=StatisticsCollectorParameters)


def _estimator(
    low: StatisticsType, high: StatisticsType, low_aggregator: AggregatorType, high_aggregator: AggregatorType
) -> RangeEstimatorParameters:
    return RangeEstimatorParameters(
        min=StatisticsCollectorParameters(low, low_aggregator),
        max=StatisticsCollectorParameters(high, high_aggregator),
    )


class RangeEstimatorParametersSet:
    """Ready-made estimators.

    MINMAX: the extremes of all samples; nothing is clipped.
    MEAN_MINMAX: the mean of the samples' extremes.
    MEDIAN_MINMAX: the median of the samples' extremes.
    MEAN_NO_OUTLIERS_MINMAX: the mean of the samples' extremes, the most unusual samples left out.
    MEAN_QUANTILE: the mean of the samples' low and high quantiles.
    HISTOGRAM: the range with the least quantization error, of the tensor or of each channel.
    OUTPUT_ERROR: the range with the least error in the outputs of the layers that read the tensor.
    """

    MINMAX = _estimator(StatisticsType.MIN, StatisticsType.MAX, AggregatorType.MIN, AggregatorType.MAX)
    MEAN_MINMAX = _estimator(StatisticsType.MIN, StatisticsType.MAX, AggregatorType.MEAN, AggregatorType.MEAN)
    MEDIAN_MINMAX = _estimator(StatisticsType.MIN, StatisticsType.MAX, AggregatorType.MEDIAN, AggregatorType.MEDIAN)
    MEAN_NO_OUTLIERS_MINMAX = _estimator(
        StatisticsType.MIN, StatisticsType.MAX, AggregatorType.MEAN_NO_OUTLIERS, AggregatorType.MEAN_NO_OUTLIERS
    )
    MEAN_QUANTILE = _estimator(
        StatisticsType.QUANTILE, StatisticsType.QUANTILE, AggregatorType.MEAN, AggregatorType.MEAN
    )
    HISTOGRAM = _estimator(StatisticsType.RAW, StatisticsType.RAW, AggregatorType.HISTOGRAM, AggregatorType.HISTOGRAM)
    OUTPUT_ERROR = _estimator(
        StatisticsType.MIN, StatisticsType.MAX, AggregatorType.OUTPUT_ERROR, AggregatorType.OUTPUT_ERROR
    )
